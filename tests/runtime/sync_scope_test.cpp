#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <system_error>

#include <doctest/doctest.h>

#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/sync_scope");

TEST_CASE("a deadline ends a wait for a mutex, which its holder keeps") {
  test::run([] {
    Mutex mutex;
    mutex.lock();
    auto task = spawn([&] {
      CHECK_FALSE(move_on_after(5ms, [&] { mutex.lock(); }));
      CHECK(mutex.statistics().tasks_waiting == 0);
      CHECK_THROWS_AS(with_timeout(5ms, [&] { const std::scoped_lock lock(mutex); }),
                      std::system_error);
      sleep_for(1ms);  // the scope is left: nothing is cancelled any more
    });
    task.join();
    mutex.unlock();
  });
}

TEST_CASE("a shield keeps the cancellation from a wait") {
  Trace trace;

  test::run([&] {
    Event event;
    auto task = spawn([&] {
      shielded([&] { event.wait(), trace.push_back("has waited"); });
      sleep_for(1h);
    });
    yield();
    task.cancel();
    yield();
    trace.push_back("sets");
    event.set();
    CHECK_THROWS_AS(task.join(), std::system_error);
  });

  CHECK(trace == Trace{"sets", "has waited"});
}

TEST_CASE("a timed out wait for a condition holds the mutex when the scope has ended") {
  test::run([] {
    Mutex mutex;
    ConditionVariable changed;
    const std::scoped_lock lock(mutex);
    CHECK_FALSE(move_on_after(5ms, [&] { changed.wait(mutex); }));
    CHECK(mutex.statistics().owner == execution_async_id());
    CHECK(changed.statistics().tasks_waiting == 0);
  });
}

TEST_CASE("a group that is cancelled whole leaves the queue of a shared mutex empty") {
  test::run([] {
    SharedMutex mutex;
    mutex.lock_shared();
    task_group([&](TaskGroup& group) {
      group.spawn([&] { const std::unique_lock lock(mutex); });
      group.spawn([&] { const std::shared_lock lock(mutex); });
      group.spawn([&] { const std::unique_lock lock(mutex); });
      yield();
      CHECK(mutex.statistics().tasks_waiting == 3);
      group.cancel("all at once");
    });
    CHECK(mutex.statistics().tasks_waiting == 0);
    CHECK(mutex.statistics().readers == 1);
    mutex.unlock_shared();
    CHECK(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
