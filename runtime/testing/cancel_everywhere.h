// cancel_everywhere: a scenario, cancelled wherever it can be.
//
//   const CancelSweep sweep = cancel_everywhere([] {
//     auto [client, server] = io::testing::MemoryStream::pair();
//     client.write("ping");
//   });
//   REQUIRE(sweep.points >= 1);
//
// Runs it once and counts its suspension points, and the milliseconds it takes; then
// once for each point, cancelled while a fiber is parked there; once for each, cancelled
// just before it is reached; and once for each millisecond, cut by a deadline, with no
// hook enabled, so that the direct paths are taken. Each is a run_test(), so nothing may
// be left; and the context must be as it was, the hooks' events in pairs, and the code
// after the scenario able to wait.
//
// A scenario is done or cut. It catches what else it may throw, lets Cancelled pass, and
// may be called again and again.
#pragma once

#include <concepts>
#include <functional>

#include <weft/runtime/testing/run_test.h>

namespace weft::testing {

struct CancelSweep {
  int points = 0;  // where fibers of the scenario waited
  int runs = 0;
  int cuts = 0;  // runs the cancellation ended before the scenario was done
};

namespace detail {

CancelSweep cancel_everywhere(UniqueFunction<void()> scenario);

}  // namespace detail

// Errors: TestFailure, which names the point; what the scenario throws.
template <std::invocable Scenario>
CancelSweep cancel_everywhere(Scenario&& scenario) {
  return detail::cancel_everywhere([&scenario] { static_cast<void>(std::invoke(scenario)); });
}

}  // namespace weft::testing
