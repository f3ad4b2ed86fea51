#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/shared_mutex");

Task<void> read(SharedMutex& mutex, Trace& trace, const std::string& name) {
  return spawn([&mutex, &trace, name] {
    const std::shared_lock lock(mutex);
    trace.push_back(name + " reads");
    yield();
    trace.push_back(name + " has read");
  });
}

Task<void> write(SharedMutex& mutex, Trace& trace, const std::string& name) {
  return spawn([&mutex, &trace, name] {
    const std::unique_lock lock(mutex);
    trace.push_back(name + " writes");
    yield();
    trace.push_back(name + " has written");
  });
}

TEST_CASE("readers are in together, a writer alone") {
  Trace trace;

  test::run([&] {
    SharedMutex mutex;
    auto a = read(mutex, trace, "a");
    auto b = read(mutex, trace, "b");
    auto c = write(mutex, trace, "c");
    auto d = write(mutex, trace, "d");
    for (auto* task : {&a, &b, &c, &d}) task->join();
    CHECK_FALSE(mutex.statistics().locked);
  });

  CHECK(trace == Trace{"a reads", "b reads", "a has read", "b has read", "c writes",
                       "c has written", "d writes", "d has written"});
}

TEST_CASE("a reader that comes after a waiting writer waits behind it") {
  Trace trace;

  test::run([&] {
    SharedMutex mutex;
    auto a = read(mutex, trace, "a");
    auto b = write(mutex, trace, "b");
    auto c = read(mutex, trace, "c");
    auto d = read(mutex, trace, "d");
    for (auto* task : {&a, &b, &c, &d}) task->join();
  });

  CHECK(trace == Trace{"a reads", "a has read", "b writes", "b has written", "c reads", "d reads",
                       "c has read", "d has read"});
}

TEST_CASE("readers behind a waiting writer that is cancelled get in to those who read") {
  Trace trace;

  test::run([&] {
    SharedMutex mutex;
    mutex.lock_shared();
    auto writer = write(mutex, trace, "writer");
    auto reader = read(mutex, trace, "reader");
    yield();
    writer.cancel();
    CHECK(mutex.statistics().readers == 2);
    reader.join();
    mutex.unlock_shared();
  });

  CHECK(trace == Trace{"reader reads", "reader has read"});
}

TEST_CASE("the last reader lets the writer in, a cancelled reader in between is skipped") {
  Trace trace;

  test::run([&] {
    SharedMutex mutex;
    mutex.lock();
    auto a = read(mutex, trace, "a");
    auto b = read(mutex, trace, "b");
    auto c = write(mutex, trace, "c");
    yield();
    b.cancel();
    mutex.unlock();
    CHECK(mutex.statistics().readers == 1);
    a.join();
    c.join();
  });

  CHECK(trace == Trace{"a reads", "a has read", "c writes", "c has written"});
}

TEST_CASE("its statistics tell the writer, or how many read, and how many wait") {
  Trace trace;

  test::run([&] {
    SharedMutex mutex;
    mutex.lock();
    auto reader = read(mutex, trace, "reader");
    yield();
    CHECK(mutex.statistics().locked);
    CHECK(mutex.statistics().owner == execution_async_id());
    CHECK(mutex.statistics().tasks_waiting == 1);
    mutex.unlock();
    CHECK(mutex.statistics().locked);
    CHECK(mutex.statistics().owner == 0);
    CHECK(mutex.statistics().readers == 1);
    reader.join();
  });
}

TEST_CASE("try_lock and try_lock_shared get in where lock would not wait") {
  test::run([] {
    SharedMutex mutex;
    CHECK(mutex.try_lock_shared());
    CHECK(mutex.try_lock_shared());
    CHECK_FALSE(mutex.try_lock());
    auto writer = spawn([&] { mutex.lock(), mutex.unlock(); });
    yield();
    CHECK_FALSE(mutex.try_lock_shared());  // behind the writer
    mutex.unlock_shared();
    mutex.unlock_shared();
    writer.join();
    CHECK(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE("misuses of a shared mutex are errors") {
  test::run([] {
    SharedMutex mutex;
    CHECK_THROWS_AS(mutex.unlock(), UsageError);
    CHECK_THROWS_AS(mutex.unlock_shared(), UsageError);
    mutex.lock();
    CHECK_THROWS_AS(mutex.lock(), UsageError);
    CHECK_THROWS_AS(mutex.lock_shared(), UsageError);
    CHECK_THROWS_AS(static_cast<void>(mutex.try_lock()), UsageError);
    CHECK_THROWS_AS(static_cast<void>(mutex.try_lock_shared()), UsageError);
    CHECK_THROWS_AS(mutex.unlock_shared(), UsageError);
    spawn([&] { CHECK_THROWS_AS(mutex.unlock(), UsageError); }).join();
    mutex.unlock();
  });
}

TEST_CASE("a callback may read without waiting, but not write") {
  test::run([] {
    SharedMutex mutex;
    next_tick([&] {
      CHECK(mutex.try_lock_shared());
      CHECK_THROWS_AS(static_cast<void>(mutex.try_lock()), UsageError);
      mutex.unlock_shared();
    });
    sleep_for(1ms);
    CHECK_FALSE(mutex.statistics().locked);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
