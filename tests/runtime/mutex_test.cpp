#include <chrono>
#include <mutex>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
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

TEST_SUITE_BEGIN("runtime/mutex");

// What the UsageError of `fn` says; "none" without one.
template <typename F>
std::string complaint(F&& fn) {
  try {
    fn();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "none";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("one fiber at a time is in the section, also while it waits there") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    const auto visit = [&](const std::string& name) {
      const std::scoped_lock lock(mutex);
      trace.push_back(name + " in");
      sleep_for(1ms);
      trace.push_back(name + " out");
    };
    auto a = spawn([&] { visit("a"); });
    auto b = spawn([&] { visit("b"); });
    a.join();
    b.join();
  });

  CHECK(trace == Trace{"a in", "a out", "b in", "b out"});
}

TEST_CASE("an unlocked mutex is locked without waiting") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    spawn([&] { trace.push_back("another fiber"); });
    mutex.lock();
    mutex.unlock();
    mutex.lock();
    trace.push_back("locked");
    mutex.unlock();
  });

  CHECK(trace == Trace{"locked", "another fiber"});
}

TEST_CASE("unlock hands the mutex over: who comes before the first waiter runs waits") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    mutex.lock();
    auto waiter = spawn([&] {
      const std::scoped_lock lock(mutex);
      trace.push_back("waiter");
    });
    yield();
    mutex.unlock();
    CHECK(mutex.statistics().owner == waiter.async_id());
    CHECK_FALSE(mutex.try_lock());
    mutex.lock();
    trace.push_back("main again");
    mutex.unlock();
    waiter.join();
  });

  CHECK(trace == Trace{"waiter", "main again"});
}

TEST_CASE("statistics tell the owner and how many wait") {
  test::run([] {
    Mutex mutex;
    CHECK_FALSE(mutex.statistics().locked);
    CHECK(mutex.statistics().owner == 0);
    mutex.lock();
    auto waiter = spawn([&] { const std::scoped_lock lock(mutex); });
    yield();

    CHECK(mutex.statistics().locked);
    CHECK(mutex.statistics().owner == execution_async_id());
    CHECK(mutex.statistics().tasks_waiting == 1);

    mutex.unlock();
    waiter.join();
    CHECK_FALSE(mutex.statistics().locked);
  });
}

TEST_CASE("locking it twice is an error that names the fiber") {
  test::run([] {
    auto task = spawn(
        [] {
          Mutex mutex;
          const std::scoped_lock lock(mutex);
          CHECK(says(complaint([&] { mutex.lock(); }), "'greedy' (spawned at "));
          CHECK(says(complaint([&] { return mutex.try_lock(); }), "holds it already"));
        },
        {.name = "greedy"});
    task.join();
  });
}

TEST_CASE("unlocking another fiber's mutex is an error that names both") {
  test::run([] {
    Mutex mutex;
    auto owner = spawn(
        [&] {
          const std::scoped_lock lock(mutex);
          sleep_for(1ms);
        },
        {.name = "owner"});
    auto stranger = spawn(
        [&] {
          const std::string text = complaint([&] { mutex.unlock(); });
          CHECK(says(text, "'stranger' (spawned at "));
          CHECK(says(text, "'owner' (spawned at "));
        },
        {.name = "stranger"});
    stranger.join();
    CHECK(mutex.statistics().owner == owner.async_id());
    owner.join();
  });
}

TEST_CASE("unlocking a mutex that nobody holds is an error") {
  test::run([] {
    Mutex mutex;
    CHECK(says(complaint([&] { mutex.unlock(); }), "held by nobody"));
    next_tick([&] { CHECK(says(complaint([&] { mutex.unlock(); }), "a callback cannot let go")); });
    sleep_for(1ms);
  });
}

TEST_CASE("the owner that has ended is named as such") {
  test::run([] {
    Mutex mutex;
    spawn([&] { mutex.lock(); }).join();
    CHECK(says(complaint([&] { mutex.unlock(); }), "which has ended"));
    set_immediate([&] { mutex.unlock(); });
    mutex.lock();
    mutex.unlock();
  });
}

TEST_CASE("a fiber in the place of an owner that has ended is not taken for it") {
  test::run([] {
    Mutex mutex;
    spawn([&] { mutex.lock(); }).join();
    spawn([&] { CHECK_THROWS_AS(mutex.unlock(), UsageError); }).join();
  });
}

TEST_CASE("a callback cannot lock, but may unlock for the owner") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    mutex.lock();
    set_immediate([&] {
      CHECK(says(complaint([&] { return mutex.try_lock(); }), "a callback cannot hold"));
      mutex.unlock();
      CHECK(says(complaint([&] { return mutex.try_lock(); }), "a callback cannot hold"));
    });
    auto waiter = spawn([&] {
      const std::scoped_lock lock(mutex);
      trace.push_back("waiter");
    });
    waiter.join();
  });

  CHECK(trace == Trace{"waiter"});
}

TEST_CASE("the standard's guards fit") {
  test::run([] {
    Mutex one;
    Mutex other;
    const auto locked = [&] { return one.statistics().locked && other.statistics().locked; };
    auto first = spawn([&] {
      const std::scoped_lock both(one, other);
      yield();
      CHECK(locked());
    });
    auto second = spawn([&] {
      const std::scoped_lock both(other, one);
      yield();
      CHECK(locked());
    });
    first.join();
    second.join();
    std::unique_lock<Mutex> later(one, std::defer_lock);
    CHECK(later.try_lock());
  });
}

TEST_CASE("an owner that is cancelled in the section unlocks as it unwinds") {
  Trace trace;

  test::run([&] {
    Mutex mutex;
    auto owner = spawn([&] {
      const std::scoped_lock lock(mutex);
      sleep_for(1h);
    });
    auto waiter = spawn([&] {
      const std::scoped_lock lock(mutex);
      trace.push_back("waiter in");
    });
    yield();
    owner.cancel();
    waiter.join();
  });

  CHECK(trace == Trace{"waiter in"});
}

TEST_CASE("a lock in a destructor waits on when the fiber is cancelled meanwhile") {
  struct LocksAtEnd {
    Mutex& mutex;
    Trace& trace;
    ~LocksAtEnd() {
      const std::scoped_lock lock(mutex);
      trace.push_back("cleaned up");
    }
  };
  Trace trace;

  test::run([&] {
    Mutex mutex;
    mutex.lock();
    auto task = spawn([&] {
      const LocksAtEnd cleanup{mutex, trace};
      throw 1;
    });
    yield();
    task.cancel();
    mutex.unlock();
    CHECK_THROWS_AS(task.join(), int);
  });

  CHECK(trace == Trace{"cleaned up"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
