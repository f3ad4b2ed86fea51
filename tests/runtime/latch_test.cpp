#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/latch.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("runtime/latch");

TEST_CASE("waiters go on when the last has counted down, not before") {
  Trace trace;

  test::run([&] {
    Latch latch(3);
    auto waiter = spawn([&] { latch.wait(), trace.push_back("waiter"); });
    for (const std::string name : {"one", "two", "three"}) {
      yield();
      trace.push_back(name);
      latch.count_down();
    }
    CHECK(latch.try_wait());
    waiter.join();
  });

  CHECK(trace == Trace{"one", "two", "three", "waiter"});
}

TEST_CASE("a latch at 0 stays there") {
  test::run([] {
    Latch latch(2);
    latch.count_down(2);
    latch.wait();
    latch.wait();
    CHECK_THROWS_AS(latch.count_down(), UsageError);
    Latch(0).wait();
  });
}

TEST_CASE("counting below 0 is an error and counts nothing") {
  test::run([] {
    Latch latch(2);
    CHECK_THROWS_AS(latch.count_down(3), UsageError);
    CHECK(latch.statistics().count == 2);
  });
}

TEST_CASE("those who arrive and wait go on together") {
  Trace trace;

  test::run([&] {
    Latch latch(2);
    auto first = spawn([&] {
      trace.push_back("first arrives");
      latch.arrive_and_wait();
      trace.push_back("first goes on");
    });
    yield();
    trace.push_back("last arrives");
    latch.arrive_and_wait();
    trace.push_back("last goes on");
    first.join();
  });

  CHECK(trace == Trace{"first arrives", "last arrives", "last goes on", "first goes on"});
}

TEST_CASE("who is cancelled in arrive_and_wait has arrived, unless it was cancelled before") {
  test::run([] {
    Latch latch(2);
    auto waits = spawn([&] { latch.arrive_and_wait(); });
    auto never_starts = spawn([&] { latch.arrive_and_wait(); });
    never_starts.cancel();
    yield();
    waits.cancel();
    yield();
    CHECK(latch.statistics().count == 1);
    CHECK(latch.statistics().tasks_waiting == 0);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
