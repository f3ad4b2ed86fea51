// run_test: a test body on a loop of its own, and nothing left behind.
//
//   TEST_CASE("a reply waits for the cache") {  // of any framework
//     run_test([&] {
//       auto reply = spawn([&] { return ask(cache, "key"); });
//       sleep_for(1h);  // takes no time: the clock is virtual
//       REQUIRE(reply.join() == "value");
//     });
//   }
//
// The clock stands still while anything can run. Once everything is parked, and what was
// under way over loopback has arrived, it jumps to the next timer. It does not jump while
// libuv works on a request: a lookup, or a write the peer does not read.
//
// What the body throws, a failed assertion among it, is rethrown on the test's stack.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <weft/ctx/unique_function.h>
#include <weft/runtime/run.h>
#include <weft/runtime/source_location.h>

namespace weft::testing {

// What the kit found wrong; what() tells all of it.
class TestFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TestOptions {
  RunOptions run = {};

  // Sleeps take their time; for tests with other threads or processes.
  bool real_clock = false;

  // Shuffles the schedule, the same way for each seed; nullopt: first come, first served.
  // Drawn is what runs next of the fibers that are ready and the first ready microtask,
  // and which ready case select() takes. What is promised elsewhere holds: ticks run
  // before both and in their order, as do microtasks and promise reactions among
  // themselves, timers, immediates; who waited first still gets the lock or the value
  // first. Only "in the order woken" is given up.
  std::optional<std::uint64_t> seed = {};

  // Fails when a resource begins, or is called back, outside of the test's context:
  // somewhere a callback was called that weft knows nothing of. Costs a hook.
  bool watches_contexts = false;

  // Fails when a fiber still waits, or a handle is still open, once the body is over and
  // nothing but the network could go on. False: that is waited for, as run() does, and
  // what is unreferenced is closed.
  bool finds_leftovers = true;
};

namespace detail {

void run_test(UniqueFunction<void()> body, TestOptions options, SourceLocation at);

}  // namespace detail

// Runs `body` on the main fiber of a fresh loop until nothing is left.
//
// Errors: what the body throws; what nobody else catches; Deadlock; TestFailure for
//         fibers, handles or contexts that are left: a held Snapshot, a bound function, a
//         value that outlives its request.
template <std::invocable Body>
void run_test(Body&& body, TestOptions options = {},
              SourceLocation at = SourceLocation::current()) {
  detail::run_test([&body] { static_cast<void>(std::invoke(body)); }, std::move(options), at);
}

// Waits until every other fiber is parked and nothing else can run before time moves on;
// what was under way over loopback has arrived. Where several wait so, all go on.
//
//   auto reader = spawn([&] { return channel.receive(); });
//   wait_all_parked();
//   REQUIRE(channel.statistics().waiting_receivers == 1);
//
// Context:  fiber, of run_test() or of any loop
// Suspends: always.
// Cancel:   the wait ends at once.
// Source:   trio's wait_all_tasks_blocked.
void wait_all_parked();

}  // namespace weft::testing
