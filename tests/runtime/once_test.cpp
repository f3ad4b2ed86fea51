#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/once.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/once");

// A fiber that calls `once` with `fn`, which writes `name`, and writes when it goes on.
template <typename F>
Task<void> call_on_fiber(Once& once, Trace& trace, const std::string& name, F fn) {
  return spawn([&once, &trace, name, fn] {
    try {
      once.call([&] {
        trace.push_back(name + " runs");
        fn();
      });
      trace.push_back(name + " goes on");
    } catch (const std::runtime_error&) {
      trace.push_back(name + " failed");
    }
  });
}

TEST_CASE("the first caller runs its function, those who come meanwhile wait for its end") {
  Trace trace;

  test::run([&] {
    Once once;
    auto a = call_on_fiber(once, trace, "a", [] { sleep_for(1ms); });
    auto b = call_on_fiber(once, trace, "b", [] {});
    auto c = call_on_fiber(once, trace, "c", [] {});
    a.join();
    b.join();
    c.join();
    once.call([&] { trace.push_back("never"); });
    CHECK(once.is_done());
  });

  CHECK(trace == Trace{"a runs", "a goes on", "b goes on", "c goes on"});
}

TEST_CASE("if the function throws, the first who waits runs its own") {
  Trace trace;

  test::run([&] {
    Once once;
    const auto fail = [] {
      yield();
      throw std::runtime_error("no");
    };
    auto a = call_on_fiber(once, trace, "a", fail);
    auto b = call_on_fiber(once, trace, "b", fail);
    auto c = call_on_fiber(once, trace, "c", [] { yield(); });
    auto d = call_on_fiber(once, trace, "d", [] {});
    for (auto* task : {&a, &b, &c, &d}) task->join();
  });

  CHECK(trace ==
        Trace{"a runs", "a failed", "b runs", "b failed", "c runs", "c goes on", "d goes on"});
}

TEST_CASE("if the function throws and nobody waits, the next caller runs its own") {
  Trace trace;

  test::run([&] {
    Once once;
    CHECK_THROWS_AS(once.call([] { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK_FALSE(once.is_done());
    once.call([&] { trace.push_back("runs"); });
    CHECK(once.is_done());
  });

  CHECK(trace == Trace{"runs"});
}

TEST_CASE("a runner that is cancelled passes on, and so does one whose turn has come") {
  Trace trace;

  test::run([&] {
    Once once;
    auto a = call_on_fiber(once, trace, "a", [] { sleep_for(1h); });
    auto b = call_on_fiber(once, trace, "b", [] { sleep_for(1h); });
    auto c = call_on_fiber(once, trace, "c", [] {});
    yield();
    a.cancel();
    yield();
    CHECK(once.statistics().runner == b.async_id());
    b.cancel();
    c.join();
  });

  CHECK(trace == Trace{"a runs", "b runs", "c runs", "c goes on"});
}

TEST_CASE("try_call runs the function unless another runs or has run") {
  Trace trace;

  test::run([&] {
    Once once;
    CHECK_THROWS_AS(once.call([&] {
      CHECK(once.statistics().runner == execution_async_id());
      spawn([&] { CHECK_FALSE(once.try_call([] {})); }).join();
      throw 1;
    }),
                    int);
    CHECK(once.try_call([&] { trace.push_back("runs"); }));
    CHECK(once.try_call([&] { trace.push_back("never"); }));
  });

  CHECK(trace == Trace{"runs"});
}

TEST_CASE("a callback may try_call") {
  Trace trace;

  test::run([&] {
    Once once;
    set_immediate([&] { CHECK(once.try_call([&] { trace.push_back("runs"); })); });
    sleep_for(1ms);
    CHECK(once.is_done());
  });

  CHECK(trace == Trace{"runs"});
}

TEST_CASE("calling it from inside its own function is an error") {
  test::run([] {
    Once once;
    once.call([&] { CHECK_THROWS_AS(once.call([] {}), UsageError); });
    CHECK(once.is_done());
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
