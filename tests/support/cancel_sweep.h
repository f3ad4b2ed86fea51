// cancel_sweep: testing::cancel_everywhere() as a check of doctest's.
#pragma once

#include <doctest/doctest.h>

#include <weft/runtime/testing/cancel_everywhere.h>
#include <weft/tests/support/harness.h>

namespace weft::test {

// Returns the number of suspension points; how many runs were cut is in `cuts`.
template <typename Scenario>
int cancel_sweep(Scenario scenario, int& cuts) {
  const testing::CancelSweep sweep = testing::cancel_everywhere(scenario);
  CHECK(sweep.runs > 2 * sweep.points);
  cuts = sweep.cuts;
  return sweep.points;
}

}  // namespace weft::test
