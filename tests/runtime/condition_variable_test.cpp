#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/condition_variable");

// Fibers that wait for `changed`, in order; each says how that ended, with the mutex locked.
std::vector<Task<void>> waiters(Mutex& mutex, ConditionVariable& changed, Trace& trace,
                                const std::vector<std::string>& names) {
  std::vector<Task<void>> tasks;
  tasks.reserve(names.size());
  for (const std::string& name : names) {
    tasks.push_back(spawn([&mutex, &changed, &trace, name] {
      const std::scoped_lock lock(mutex);
      std::string how = " notified";
      try {
        changed.wait(mutex);
      } catch (const Cancelled&) {
        how = " cancelled";
      }
      CHECK(mutex.statistics().owner == execution_async_id());
      trace.push_back(name + how);
    }));
  }
  yield();
  return tasks;
}

TEST_CASE("waiting unlocks the mutex, and locks it again before it returns") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    auto tasks = waiters(mutex, changed, trace, {"a"});
    mutex.lock();
    changed.notify_one();
    CHECK(changed.statistics().tasks_waiting == 0);
    CHECK(mutex.statistics().tasks_waiting == 1);
    yield();
    trace.push_back("unlocks");
    mutex.unlock();
    tasks[0].join();
  });

  CHECK(trace == Trace{"unlocks", "a notified"});
}

TEST_CASE("notify_one wakes the first, notify_all the rest in order") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    auto tasks = waiters(mutex, changed, trace, {"a", "b", "c"});
    changed.notify_one();
    yield();
    trace.push_back("all");
    changed.notify_all();
    for (auto& task : tasks) task.join();
    changed.notify_one();  // nobody: not remembered
  });

  CHECK(trace == Trace{"a notified", "all", "b notified", "c notified"});
}

TEST_CASE("a notified fiber stands in the mutex's line, before who comes later") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    auto tasks = waiters(mutex, changed, trace, {"a"});
    mutex.lock();
    changed.notify_one();
    auto later = spawn([&] {
      const std::scoped_lock lock(mutex);
      trace.push_back("later");
    });
    yield();
    mutex.unlock();
    later.join();
    tasks[0].join();
  });

  CHECK(trace == Trace{"a notified", "later"});
}

TEST_CASE("the predicate is called with the mutex locked, until it is true") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    std::deque<int> jobs;
    auto worker = spawn([&] {
      const std::scoped_lock lock(mutex);
      changed.wait(mutex, [&] {
        CHECK(mutex.statistics().owner == execution_async_id());
        trace.push_back("looks");
        return !jobs.empty();
      });
      trace.push_back("job " + std::to_string(jobs.front()));
    });
    yield();
    changed.notify_all();
    yield();
    jobs.push_back(7);
    changed.notify_all();
    worker.join();
  });

  CHECK(trace == Trace{"looks", "looks", "looks", "job 7"});
}

TEST_CASE("a cancelled wait holds the mutex again, however long that takes") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    auto tasks = waiters(mutex, changed, trace, {"a", "b"});
    mutex.lock();
    tasks[0].cancel();
    sleep_for(1ms);
    tasks[0].cancel();
    trace.push_back("unlocks");
    mutex.unlock();
    tasks[0].join();
    CHECK(changed.statistics().tasks_waiting == 1);
    changed.notify_one();
    tasks[1].join();
  });

  CHECK(trace == Trace{"unlocks", "a cancelled", "b notified"});
}

TEST_CASE("a notification is not lost in a fiber that is cancelled in the same turn") {
  Trace trace;
  Trace expected;
  bool cancel_first = false;
  SUBCASE("cancelled, then notified: the next one gets it") {
    cancel_first = true;
    expected = {"a cancelled", "b notified"};
  }
  SUBCASE("notified, then cancelled: it returns, and is cancelled where it waits next") {
    expected = {"a notified", "b cancelled"};
  }

  test::run([&] {
    Mutex mutex;
    ConditionVariable changed;
    auto tasks = waiters(mutex, changed, trace, {"a", "b"});
    mutex.lock();
    if (cancel_first) tasks[0].cancel();
    changed.notify_one();
    if (!cancel_first) tasks[0].cancel();
    yield();
    mutex.unlock();
    sleep_for(1ms);
    tasks[1].cancel();
    for (auto& task : tasks) task.join();
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == expected);
}

TEST_CASE("waiting without the mutex is an error") {
  test::run([] {
    Mutex mutex;
    ConditionVariable changed;
    CHECK_THROWS_AS(changed.wait(mutex), UsageError);
    mutex.lock();
    spawn([&] { CHECK_THROWS_AS(changed.wait(mutex), UsageError); }).join();
    next_tick([&] { CHECK_THROWS_AS(changed.wait(mutex), UsageError); });
    sleep_for(1ms);
    mutex.unlock();
  });
}

TEST_CASE("a wait whose mutex is never unlocked ends with the run") {
  Trace trace;
  Mutex mutex;
  ConditionVariable changed;

  test::run([&] {
    spawn([&] {
      const std::scoped_lock lock(mutex);
      try {
        changed.wait(mutex);
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    yield();
    mutex.lock();  // and never unlocks
    detail::EventLoop::current("stop").stop(nullptr);
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a wait ends with an error when the condition, the mutex or both are destroyed") {
  std::string said;
  const auto end_of = [&](auto destroy) {
    test::run([&] {
      auto mutex = std::make_unique<Mutex>();
      auto changed = std::make_unique<ConditionVariable>();
      auto waiter = spawn([&, at = mutex.get(), its = changed.get()] {
        at->lock();
        try {
          its->wait(*at);
        } catch (const UsageError& error) {
          said = error.what();
          if (mutex != nullptr) at->unlock();
        }
      });
      yield();
      destroy(mutex, changed);
      waiter.join();
      if (changed != nullptr) changed->notify_all();
    });
    return std::exchange(said, {}).find("was destroyed") != std::string::npos;
  };

  CHECK(end_of([](auto& mutex, auto& changed) { changed.reset(), mutex.reset(); }));
  CHECK(end_of([](auto& mutex, auto& changed) { mutex.reset(), changed.reset(); }));
  CHECK(end_of([](auto& /*mutex*/, auto& changed) { changed.reset(); }));
  CHECK(end_of([](auto& mutex, auto& /*changed*/) { mutex.reset(); }));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
