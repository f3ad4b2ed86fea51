#include <string>

#include <doctest/doctest.h>

#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("runtime/event");

TEST_CASE("setting wakes all who wait, and whoever comes later does not wait") {
  Trace trace;

  test::run([&] {
    Event event;
    auto a = spawn([&] { event.wait(), trace.push_back("a"); });
    auto b = spawn([&] { event.wait(), trace.push_back("b"); });
    yield();
    event.set();
    event.wait();
    trace.push_back("main, at once");
    a.join();
    b.join();
  });

  CHECK(trace == Trace{"main, at once", "a", "b"});
}

TEST_CASE("a woken fiber goes on though the event is cleared before it runs") {
  Trace trace;

  test::run([&] {
    Event event;
    auto early = spawn([&] { event.wait(), trace.push_back("early"); });
    yield();
    event.set();
    event.clear();
    CHECK_FALSE(event.is_set());
    auto late = spawn([&] { event.wait(), trace.push_back("late"); });
    early.join();
    yield();
    CHECK(event.statistics().tasks_waiting == 1);
    trace.push_back("set again");
    event.set();
    late.join();
  });

  CHECK(trace == Trace{"early", "set again", "late"});
}

TEST_CASE("setting twice, or clearing what is not set, changes nothing") {
  test::run([] {
    Event event;
    event.clear();
    CHECK_FALSE(event.is_set());
    event.set();
    event.set();
    CHECK(event.statistics().is_set);
    event.clear();
    CHECK_FALSE(event.statistics().is_set);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
