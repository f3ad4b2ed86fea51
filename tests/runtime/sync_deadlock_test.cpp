#include <mutex>
#include <sstream>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/unique_function.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/once.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/sync_deadlock");

// What the Deadlock says in which `body` ends.
class Report {
 public:
  explicit Report(UniqueFunction<void()> body) {
    try {
      test::run(std::move(body));
      FAIL("no deadlock");
    } catch (const Deadlock& deadlock) {
      text_ = deadlock.what();
    }
  }

  bool says(const std::string& part) const { return text_.find(part) != std::string::npos; }
  // Whether a line has both, in this order.
  bool says(const std::string& one, const std::string& other) const {
    std::istringstream lines(text_);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(one);
      if (at != std::string::npos && line.find(other, at) != std::string::npos) return true;
    }
    return false;
  }

 private:
  std::string text_;
};

// A fiber that locks `first`, lets others run, and locks `second`.
Task<void> lock_both(const char* name, Mutex& first, Mutex& second) {
  return spawn(
      [&] {
        const std::scoped_lock one(first);
        yield();
        const std::scoped_lock other(second);
      },
      {.name = name});
}

TEST_CASE("a deadlock report says who waits for which mutex, held by whom") {
  Mutex accounts("accounts");
  Mutex unnamed;

  const Report report([&] {
    auto a = lock_both("a", accounts, unnamed);
    auto b = lock_both("b", unnamed, accounts);
    a.join();
  });

  CHECK(report.says("'b' (spawned at ", "waits in Mutex::lock of 'accounts', held by FIBER"));
  CHECK(report.says("waits in Mutex::lock of 'accounts'", "'a' (spawned at "));
  CHECK(report.says("'a' (spawned at ", "waits in Mutex::lock of 0x"));
}

TEST_CASE("a deadlock report names the cycle, and only those in it") {
  Mutex one;
  Mutex two;

  const Report report([&] {
    auto a = lock_both("a", one, two);
    auto b = lock_both("b", two, one);
    a.join();
  });

  const bool from_a =
      report.says("a cycle: FIBER", "'a' -> FIBER") && report.says("'b' -> ", "'a'");
  const bool from_b =
      report.says("a cycle: FIBER", "'b' -> FIBER") && report.says("'a' -> ", "'b'");
  CHECK((from_a || from_b));
  CHECK_FALSE(report.says("a cycle: FIBER", "'main'"));
}

TEST_CASE("a cycle may lead through a join") {
  Mutex mutex;

  const Report report([&] {
    const std::scoped_lock lock(mutex);
    spawn([&] { mutex.lock(); }, {.name = "child"}).join();
  });

  CHECK(report.says("a cycle: FIBER", "'child' -> FIBER"));
  CHECK(report.says("a cycle: FIBER", "'main'"));
}

TEST_CASE("a cycle may lead through a Once and a writer") {
  SharedMutex routes("routes");
  Once loaded("loaded");

  const Report report([&] {
    auto loader = spawn([&] { loaded.call([&] { yield(), routes.lock_shared(); }); });
    auto writer = spawn([&] { routes.lock(), loaded.call([] {}); });
    loader.join();
  });

  CHECK(report.says("SharedMutex::lock_shared of 'routes', held by FIBER"));
  CHECK(report.says("Once::call of 'loaded', held by FIBER"));
  CHECK(report.says("a cycle: "));
}

TEST_CASE("a chain without a cycle names none") {
  Mutex mutex("forgotten");
  Semaphore semaphore(0);

  const Report report([&] {
    auto holder = spawn([&] { mutex.lock(), semaphore.acquire(); }, {.name = "holder"});
    auto waiter = spawn([&] { mutex.lock(); });
    waiter.join();
  });

  CHECK(report.says("Mutex::lock of 'forgotten', held by FIBER", "'holder' (spawned at "));
  CHECK(report.says("'holder' (spawned at ", "waits in Semaphore::acquire"));
  CHECK_FALSE(report.says("cycle"));
}

TEST_CASE("a holder that has ended is named as such") {
  Mutex mutex;

  const Report report([&] {
    spawn([&] { mutex.lock(); }).join();
    mutex.lock();
  });

  CHECK(report.says("held by FIBER", "which has ended"));
}

TEST_CASE("readers are counted") {
  SharedMutex mutex("routes");

  const Report report([&] {
    mutex.lock_shared();
    mutex.lock_shared();
    mutex.lock();
  });

  CHECK(report.says("waits in SharedMutex::lock of 'routes', held by readers: 2"));
}

TEST_CASE("a notified fiber waits for the mutex, one that is not for the notification") {
  Mutex mutex("jobs");
  ConditionVariable changed;

  const Report report([&] {
    for (const char* const name : {"notified", "forgotten"}) {
      spawn(
          [&] {
            const std::scoped_lock lock(mutex);
            changed.wait(mutex);
          },
          {.name = name});
    }
    yield();
    mutex.lock();
    changed.notify_one();
    Semaphore(0).acquire();
  });

  CHECK(report.says("'notified' (spawned at ", "ConditionVariable::wait of 'jobs', held by FIBER"));
  CHECK(report.says("'forgotten' (spawned at ", "waits in ConditionVariable::wait"));
  CHECK_FALSE(report.says("'forgotten' (spawned at ", "held by"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
