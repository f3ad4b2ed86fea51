#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/ticks");

TEST_CASE("all ticks run before microtasks and fibers, which share one queue") {
  Trace trace;

  test::run([&] {
    set_immediate([&] {
      queue_microtask([&] { trace.push_back("microtask 1"); });
      spawn([&] { trace.push_back("fiber 1"); });
      next_tick([&] { trace.push_back("tick 1"); });
      queue_microtask([&] { trace.push_back("microtask 2"); });
      next_tick([&] { trace.push_back("tick 2"); });
      spawn([&] { trace.push_back("fiber 2"); });
      trace.push_back("callback");
    });
  });

  CHECK(trace ==
        Trace{"callback", "tick 1", "tick 2", "microtask 1", "fiber 1", "microtask 2", "fiber 2"});
}

TEST_CASE("ticks of the main function run right after its first slice") {
  Trace trace;

  test::run([&] {
    spawn([&] { trace.push_back("fiber"); });
    queue_microtask([&] { trace.push_back("microtask"); });
    next_tick([&] { trace.push_back("tick"); });
    trace.push_back("main");
    yield();
    trace.push_back("main again");
  });

  CHECK(trace == Trace{"main", "tick", "fiber", "microtask", "main again"});
}

TEST_CASE("ticks queued by ticks run in the same drain, those of microtasks after the microtasks") {
  Trace trace;

  test::run([&] {
    set_immediate([&] {
      next_tick([&] {
        trace.push_back("tick 1");
        next_tick([&] { trace.push_back("tick 3"); });
      });
      next_tick([&] { trace.push_back("tick 2"); });
      queue_microtask([&] {
        trace.push_back("microtask 1");
        next_tick([&] { trace.push_back("tick 4"); });
        queue_microtask([&] { trace.push_back("microtask 3"); });
      });
      queue_microtask([&] { trace.push_back("microtask 2"); });
    });
    set_immediate([&] { trace.push_back("next callback"); });
  });

  CHECK(trace == Trace{"tick 1", "tick 2", "tick 3", "microtask 1", "microtask 2", "microtask 3",
                       "tick 4", "next callback"});
}

TEST_CASE("ticks and microtasks see the context of the call that queued them") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    who.run("tick", [&] { next_tick([&] { trace.push_back(seen(who)); }); });
    who.run("microtask", [&] { queue_microtask([&] { trace.push_back(seen(who)); }); });
    next_tick([&] { who.enter_with("left behind"); });
    next_tick([&] { trace.push_back(seen(who)); });
  });

  CHECK(trace == Trace{"tick", "none", "microtask"});
}

TEST_CASE("an exception in one tick or microtask goes to the handler, and the rest run") {
  Trace trace;

  test::run(
      [&] {
        next_tick([] { throw std::runtime_error("tick"); });
        next_tick([&] { trace.push_back("next tick"); });
        queue_microtask([] { throw std::runtime_error("microtask"); });
        queue_microtask([&] { trace.push_back("next microtask"); });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         trace.push_back(detail::describe_exception(error));
       }}});

  CHECK(trace == Trace{"tick (std::runtime_error)", "next tick", "microtask (std::runtime_error)",
                       "next microtask"});
}

TEST_CASE("the life of a tick and of a microtask is init, before and after, destroy") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([] {
    next_tick([] {});
    queue_microtask([] {});
  });

  CHECK(recorder.trace() == Trace{"init TickObject 2 0", "init Microtask 3 0", "before 2",
                                  "after 2", "before 3", "after 3", "destroy 2", "destroy 3"});
}

TEST_CASE("fibers that are always ready do not starve timers") {
  bool stop = false;
  int yields = 0;

  test::run(
      [&] {
        set_timeout(1ms, [&] { stop = true; });
        const auto spin = [&] {
          while (!stop) {
            yield();
            ++yields;
          }
        };
        auto other = spawn(spin);
        spin();
        other.join();
      },
      {.run = {.resume_budget = 16}, .clock = detail::Clock::kReal});

  CHECK(yields > 0);
}

TEST_CASE("what the budget leaves over runs in the next turn, after a look at the rest") {
  Trace trace;

  test::run(
      [&] {
        set_immediate([&] { trace.push_back("immediate"); });
        for (const char* name : {"a", "b", "c", "d", "e"}) {
          spawn([&trace, name] { trace.push_back(name); });
        }
      },
      {.run = {.resume_budget = 2}});

  CHECK(trace == Trace{"a", "b", "c", "d", "immediate", "e"});
}

TEST_CASE("microtasks count against the budget as fibers do") {
  Trace trace;

  test::run(
      [&] {
        set_immediate([&] { trace.push_back("immediate"); });
        for (const char* name : {"a", "b", "c", "d", "e"}) {
          queue_microtask([&trace, name] { trace.push_back(name); });
        }
      },
      {.run = {.resume_budget = 2}});

  CHECK(trace == Trace{"a", "b", "c", "d", "immediate", "e"});
}

TEST_CASE("ticks and microtasks outside of a loop are a usage error") {
  CHECK_THROWS_AS(next_tick([] {}), UsageError);
  CHECK_THROWS_AS(queue_microtask([] {}), UsageError);
}

TEST_CASE("an empty callback is a usage error that names the call") {
  test::run([] {
    CHECK_THROWS_WITH_AS(next_tick({}), doctest::Contains("next_tick"), UsageError);
    CHECK_THROWS_WITH_AS(queue_microtask({}), doctest::Contains("queue_microtask"), UsageError);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
