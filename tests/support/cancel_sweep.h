// Sweeps: a scenario cancelled everywhere, and under every order, as checks of doctest's.
#pragma once

#include <doctest/doctest.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/runtime/testing/cancel_everywhere.h>
#include <weft/runtime/testing/schedules.h>
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

// Thousands; where a sanitizer makes each of them slow, fewer.
constexpr unsigned kSchedules = detail::sanitizer::kAny ? 200 : 2000;

// Where each run takes milliseconds, as one that starts processes.
constexpr unsigned kFewSchedules = detail::sanitizer::kAny ? 20 : 100;

// Sweeps, and requires that every point of one mode, at the least, cut the scenario; then
// runs it, uncut, under shuffled schedules.
template <typename Scenario>
void sweep_and_shuffle(Scenario scenario, int points_min, unsigned schedules = kSchedules) {
  int cuts = 0;
  const int points = cancel_sweep(scenario, cuts);
  CHECK(points >= points_min);
  CHECK(cuts >= points);
  testing::for_each_schedule(schedules, scenario);
}

}  // namespace weft::test
