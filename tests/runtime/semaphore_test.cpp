#include <chrono>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/semaphore");

TEST_CASE("as many fibers go on at once as there are permits") {
  Trace trace;

  test::run([&] {
    Semaphore semaphore(2);
    const auto visit = [&](const std::string& name) {
      return spawn([&semaphore, &trace, name] {
        const Semaphore::Permit permit(semaphore);
        trace.push_back(name + " in");
        sleep_for(1ms);
        trace.push_back(name + " out");
      });
    };
    auto a = visit("a");
    auto b = visit("b");
    auto c = visit("c");
    a.join();
    b.join();
    c.join();
    CHECK(semaphore.statistics().permits == 2);
  });

  CHECK(trace == Trace{"a in", "b in", "a out", "c in", "b out", "c out"});
}

TEST_CASE("release hands the permit over: who comes before the first waiter runs waits") {
  Trace trace;

  test::run([&] {
    Semaphore semaphore(0);
    auto waiter = spawn([&] {
      semaphore.acquire();
      trace.push_back("waiter");
      semaphore.release();
    });
    yield();
    semaphore.release();
    CHECK(semaphore.statistics().permits == 0);
    CHECK_FALSE(semaphore.try_acquire());
    semaphore.acquire();
    trace.push_back("main");
    waiter.join();
  });

  CHECK(trace == Trace{"waiter", "main"});
}

TEST_CASE("releasing several wakes as many, and keeps the rest") {
  test::run([] {
    Semaphore semaphore(0);
    auto a = spawn([&] { semaphore.acquire(); });
    auto b = spawn([&] { semaphore.acquire(); });
    yield();
    semaphore.release(5);
    CHECK(semaphore.statistics().permits == 3);
    a.join();
    b.join();
  });
}

TEST_CASE("more permits than may be free are an error, and none is released") {
  test::run([] {
    CHECK_THROWS_AS(Semaphore(2, {.permits_max = 1}), UsageError);
    Semaphore semaphore(1, {.permits_max = 2});
    CHECK_THROWS_AS(semaphore.release(2), UsageError);
    CHECK(semaphore.statistics().permits == 1);
    semaphore.release();
    CHECK_THROWS_AS(semaphore.release(), UsageError);
    CHECK(semaphore.statistics().permits == 2);
  });
}

TEST_CASE("what waiters take at once does not count as free") {
  test::run([] {
    Semaphore semaphore(0, {.permits_max = 1});
    auto waiter = spawn([&] { semaphore.acquire(); });
    yield();
    CHECK_THROWS_AS(semaphore.release(3), UsageError);
    CHECK(semaphore.statistics().tasks_waiting == 1);
    semaphore.release(2);
    CHECK(semaphore.statistics().permits == 1);
    waiter.join();
  });
}

TEST_CASE("a permit that was moved is released once") {
  test::run([] {
    Semaphore semaphore(1);
    {
      Semaphore::Permit first(semaphore);
      const Semaphore::Permit second(std::move(first));
      CHECK(semaphore.statistics().permits == 0);
    }
    CHECK(semaphore.statistics().permits == 1);
  });
}

TEST_CASE("a callback may take and release permits without waiting") {
  test::run([] {
    Semaphore semaphore(1);
    next_tick([&] {
      CHECK(semaphore.try_acquire());
      CHECK_FALSE(semaphore.try_acquire());
      semaphore.release();
    });
    sleep_for(1ms);
    CHECK(semaphore.statistics().permits == 1);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
