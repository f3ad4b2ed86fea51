#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/busy.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Busy;
using test::Trace;

TEST_SUITE_BEGIN("runtime/pool");

TEST_CASE("a pool runs as many functions at a time as it has threads; the others wait") {
  test::run([] {
    Pool pool({.name = "two", .threads_max = 2});
    Busy busy(pool, 2);
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(spawn([&pool] { offload(pool, [] {}); }));
    yield();
    CHECK(pool.statistics().running == 2);
    CHECK(pool.statistics().queued == 3);
    CHECK(pool.statistics().threads == 2);
    busy.let_go();
    for (auto& task : tasks) task.join();
    CHECK(pool.statistics().finished == 5);
    CHECK(pool.statistics().queued_peak == 3);
  });
}

TEST_CASE("who waits for a thread is served first come, first served") {
  Trace trace;

  test::run([&] {
    Pool pool({.name = "one", .threads_max = 1});
    Busy busy(pool, 1);
    std::vector<Task<void>> tasks;
    for (const char* name : {"first", "second", "third"}) {
      tasks.push_back(spawn([&pool, &trace, name] {
        trace.push_back(offload(pool, [name] { return std::string(name); }));
      }));
    }
    yield();
    busy.let_go();
    for (auto& task : tasks) task.join();
  });

  CHECK(trace == Trace{"first", "second", "third"});
}

TEST_CASE("threads start when they are needed, and are used again") {
  test::run([] {
    Pool pool({.name = "many", .threads_max = 8});
    CHECK(pool.statistics().threads == 0);
    for (int i = 0; i < 5; ++i) {
      offload(pool, [] {});
    }
    const std::size_t started = pool.statistics().threads;
    CHECK(started >= 1);
    CHECK(started <= 5);

    Busy busy(pool, 8);
    CHECK(pool.statistics().threads == 8);
    busy.let_go();
  });
}

TEST_CASE("a function that finds the queue full is refused, and the error names the pool") {
  std::optional<Result<void>> refused;

  test::run([&] {
    Pool pool({.name = "small", .threads_max = 1, .queue_max = 1});
    Busy busy(pool, 1);
    auto waiting = spawn([&] { offload(pool, [] {}); });
    yield();

    try {
      offload(pool, [] {});
      FAIL("it was not refused");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::resource_unavailable_try_again);
      CHECK(std::string(error.what()).find("offload: pool 'small': the queue is full") == 0);
    }
    offload(
        pool, [] {}, [&](Result<void> result) { refused = std::move(result); });
    CHECK_FALSE(refused.has_value());
    CHECK(pool.statistics().refused == 2);
    busy.let_go();
    waiting.join();
  });

  REQUIRE(refused.has_value());
  CHECK(refused->error() == std::errc::resource_unavailable_try_again);
}

TEST_CASE("a slow pool does not hold up another one") {
  test::run([] {
    Pool slow({.name = "slow", .threads_max = 1});
    Busy busy(slow, 1);

    CHECK(offload(Pool::cpu(), [] { return 1; }) == 1);
    CHECK(offload(Pool::fs(), [] { return 2; }) == 2);
    CHECK(offload(Pool::dns(), [] { return 3; }) == 3);
    busy.let_go();
  });
}

TEST_CASE("destroying a pool cancels what waits and lets what runs end") {
  Trace trace;

  test::run([&] {
    auto pool = std::make_unique<Pool>(Pool::Options{.name = "short-lived", .threads_max = 1});
    std::promise<void> has_begun;
    std::promise<void> may_end;
    auto running = spawn([&] {
      offload(*pool, [&] {
        has_begun.set_value();
        may_end.get_future().wait();
      });
      trace.push_back("ran");
    });
    auto waiting = spawn([&] {
      try {
        offload(*pool, [] {});
      } catch (const std::system_error& error) {
        trace.push_back(error.code() == std::errc::operation_canceled ? "cancelled" : error.what());
      }
    });
    yield();
    has_begun.get_future().wait();
    std::thread destroyer([doomed = pool.release()] { delete doomed; });
    waiting.join();
    may_end.set_value();
    destroyer.join();
    running.join();
  });

  CHECK(trace == Trace{"cancelled", "ran"});
}

TEST_CASE("threads whose function was abandoned are replaced, up to abandoned_max") {
  const auto end = std::make_shared<std::promise<void>>();
  const std::shared_future<void> may_end = end->get_future().share();
  Pool pool({.name = "bounded", .threads_max = 1, .abandoned_max = 1});
  std::atomic<int> begun = 0;
  Trace trace;

  test::run([&] {
    for (int i = 1; i <= 2; ++i) {
      auto task = spawn([&] {
        offload(pool,
                [&begun, may_end] {
                  ++begun;
                  may_end.wait();
                },
                {.abandon_on_cancel = true});
      });
      while (begun < i) yield();
      task.cancel();
      CHECK_THROWS_AS(task.join(), std::system_error);
    }
    CHECK(pool.statistics().abandoned == 2);
    CHECK(pool.statistics().threads == 1);
    auto waiting = spawn([&] { trace.push_back(offload(pool, [] { return "served"; })); });
    yield();
    CHECK(pool.statistics().queued == 1);
    end->set_value();
    waiting.join();
  });
  while (pool.statistics().abandoned > 0) std::this_thread::yield();

  CHECK(trace == Trace{"served"});
  CHECK(pool.statistics().threads == 1);
  CHECK(pool.statistics().finished == 3);
}

TEST_CASE("destroying a pool does not wait for what was abandoned") {
  const auto end = std::make_shared<std::promise<void>>();
  const auto has_ended = std::make_shared<std::promise<void>>();
  std::promise<void> has_begun;

  test::run([&] {
    auto pool = std::make_unique<Pool>(Pool::Options{.name = "left"});
    auto task = spawn([&] {
      offload(*pool,
              [&has_begun, end, has_ended] {
                has_begun.set_value();
                end->get_future().wait();
                has_ended->set_value();
              },
              {.abandon_on_cancel = true});
    });
    yield();
    has_begun.get_future().wait();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
    pool.reset();
  });
  end->set_value();
  has_ended->get_future().wait();
}

TEST_CASE("a function may destroy the pool it runs in, which does not wait for it") {
  Trace trace;

  test::run([&] {
    auto pool = std::make_shared<std::unique_ptr<Pool>>(
        std::make_unique<Pool>(Pool::Options{.name = "own", .threads_max = 1}));
    offload(
        **pool,
        [pool] {
          pool->reset();
          return "ran";
        },
        [&](Result<const char*> result) { trace.push_back(result.value()); });
  });

  CHECK(trace == Trace{"ran"});
}

TEST_CASE("loops on several threads share a pool") {
  Pool pool({.name = "shared", .threads_max = 2});
  std::vector<std::thread> threads;
  std::vector<int> sums(3, 0);

  for (int& sum : sums) {
    threads.emplace_back([&pool, &sum] {
      run([&] {
        for (int i = 1; i <= 50; ++i) sum += offload(pool, [i] { return i; });
      });
    });
  }
  for (std::thread& thread : threads) thread.join();

  CHECK(sums == std::vector<int>{1275, 1275, 1275});
  CHECK(pool.statistics().finished == 150);
}

TEST_CASE("a forked child's pools have threads of their own") {
  test::run([] { offload([] {}); });

  const auto child = test::run_in_child([] {
    int value = 0;
    run([&] { value = offload([] { return 3; }); });
    if (value != 3) throw std::runtime_error("not run");
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

std::atomic<pthread_t> handled_on;

TEST_CASE("a signal's handler does not run on a pool's thread, also when nobody else may") {
  int signal = 0;
  SUBCASE("SIGTERM") {
    signal = SIGTERM;
  }
  SUBCASE("SIGALRM") {
    signal = SIGALRM;
  }
  Pool pool({.name = "one", .threads_max = 1});
  test::run([&] { offload(pool, [] {}); });  // its thread begins with what is blocked here
  handled_on = {};
  const auto before = ::signal(signal, [](int) { handled_on = ::pthread_self(); });
  sigset_t ours;
  ::sigemptyset(&ours);
  ::sigaddset(&ours, signal);
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);

  test::run([&] { offload(pool, [signal] { ::kill(::getpid(), signal); }); });
  CHECK(handled_on == pthread_t{});
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);

  CHECK(handled_on == ::pthread_self());
  ::signal(signal, before);
}

TEST_CASE("a pool without threads is a misuse") {
  CHECK_THROWS_AS(Pool({.name = "none", .threads_max = 0}), UsageError);
  Pool pool({.name = "one", .threads_max = 1});
  CHECK_THROWS_AS(pool.set_threads_max(0), UsageError);
  CHECK(pool.name() == "one");
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
