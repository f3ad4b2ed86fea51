#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/barrier.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("runtime/barrier");

TEST_CASE("nobody begins a phase before all have ended the one before") {
  Trace trace;

  test::run([&] {
    Barrier barrier(3);
    std::vector<Task<void>> tasks;
    tasks.reserve(3);
    for (const std::string name : {"a", "b", "c"}) {
      tasks.push_back(spawn([&barrier, &trace, name] {
        for (const std::string phase : {"1", "2"}) {
          trace.push_back(name + phase);
          if (barrier.arrive_and_wait()) trace.push_back("last is " + name);
        }
      }));
    }
    for (auto& task : tasks) task.join();
  });

  // The last goes on at once, so it is the first to come in the next phase.
  CHECK(trace == Trace{"a1", "b1", "c1", "last is c", "c2", "a2", "b2", "last is b"});
}

TEST_CASE("a cancelled fiber takes its arrival back") {
  Trace trace;

  test::run([&] {
    Barrier barrier(2);
    auto leaver = spawn([&] { barrier.arrive_and_wait(); });
    yield();
    leaver.cancel();
    CHECK(barrier.statistics().tasks_waiting == 0);
    auto stays = spawn([&] { barrier.arrive_and_wait(), trace.push_back("stays"); });
    yield();
    trace.push_back("still one short");
    barrier.arrive_and_wait();
    stays.join();
  });

  CHECK(trace == Trace{"still one short", "stays"});
}

TEST_CASE("who drops out is not waited for, and may be the one the others wait for") {
  Trace trace;

  test::run([&] {
    Barrier barrier(3);
    auto a = spawn([&] { barrier.arrive_and_wait(), trace.push_back("a"); });
    auto b = spawn([&] { barrier.arrive_and_wait(), trace.push_back("b"); });
    yield();
    trace.push_back("drops out");
    barrier.arrive_and_drop();
    a.join();
    b.join();
    CHECK(barrier.statistics().parties == 2);
  });

  CHECK(trace == Trace{"drops out", "a", "b"});
}

TEST_CASE("try_arrive_and_wait arrives only as the last") {
  Trace trace;

  test::run([&] {
    Barrier barrier(2);
    CHECK_FALSE(barrier.try_arrive_and_wait());
    CHECK(barrier.statistics().tasks_waiting == 0);
    auto waiter = spawn([&] { barrier.arrive_and_wait(), trace.push_back("waiter"); });
    yield();
    CHECK(barrier.try_arrive_and_wait());
    waiter.join();
  });

  CHECK(trace == Trace{"waiter"});
}

TEST_CASE("a barrier without parties is an error") {
  test::run([] {
    CHECK_THROWS_AS(Barrier(0), UsageError);
    Barrier barrier(1);
    CHECK(barrier.arrive_and_wait());
    barrier.arrive_and_drop();
    CHECK_THROWS_AS(barrier.arrive_and_drop(), UsageError);
    CHECK_THROWS_AS(barrier.arrive_and_wait(), UsageError);
  });
}

TEST_CASE("a party that drops out last ends the phase, and the first who waits is told") {
  Trace trace;

  test::run([&] {
    Barrier barrier(3);
    const auto arrive = [&](const char* name) {
      return spawn([&, name] {
        trace.push_back(std::string(name) + (barrier.arrive_and_wait() ? "yes" : "no"));
      });
    };
    auto first = arrive("first: ");
    auto second = arrive("second: ");
    yield();
    barrier.arrive_and_drop();
    first.join();
    second.join();
  });

  CHECK(trace == Trace{"first: yes", "second: no"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
