#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/promise_await");

// A fiber that notes how its wait for `future` ended.
Task<void> waiter(Trace& trace, std::string name, Future<int> future) {
  return spawn([&trace, name = std::move(name), future = std::move(future)] {
    try {
      trace.push_back(name + " got " + std::to_string(future.await()));
    } catch (const Cancelled&) {
      trace.push_back(name + " cancelled");
      throw;
    }
  });
}

TEST_CASE("await waits for the value, and does not suspend when it is there") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    spawn([&] { trace.push_back("others run"); });
    CHECK(Future<int>::resolved(1).await() == 1);
    trace.push_back("did not suspend");
    set_timeout(1ms, [&] { promise.resolve(2); });
    CHECK(promise.future().await() == 2);
  });

  CHECK(trace == Trace{"did not suspend", "others run"});
}

TEST_CASE("await throws what the promise was rejected with") {
  test::run([] {
    Promise<void> promise;
    set_timeout(1ms, [&] { promise.reject(std::runtime_error("late")); });

    CHECK_THROWS_WITH(promise.future().await(), "late");
    CHECK_THROWS_WITH(promise.future().await(), "late");
  });
}

TEST_CASE("an rvalue's await moves the value out where nobody else can see it") {
  test::run([] {
    const std::string long_text(100, 'x');
    auto sole = Future<std::string>::resolved(long_text);
    auto shared = Future<std::string>::resolved(long_text);
    const auto other = shared;
    auto moved = Future<std::unique_ptr<int>>::resolved(std::make_unique<int>(3));

    CHECK(std::move(sole).await() == long_text);
    CHECK(std::move(shared).await() == long_text);
    CHECK(other.await() == long_text);
    CHECK(*std::move(moved).await() == 3);
  });
}

TEST_CASE("fibers and reactions of one promise go in the order they came") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    const auto first = waiter(trace, "first", promise.future());
    yield();
    promise.future().then([&](int) { trace.push_back("reaction"); });
    const auto second = waiter(trace, "second", promise.future());
    yield();
    promise.resolve(1);
    trace.push_back("resolved");
  });

  CHECK(trace == Trace{"resolved", "first got 1", "reaction", "second got 1"});
}

TEST_CASE("a cancelled fiber leaves, and the others still get the value") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    std::string cancelled;
    SUBCASE("the first") {
      cancelled = "a";
    }
    SUBCASE("one in the middle") {
      cancelled = "b";
    }
    SUBCASE("the last") {
      cancelled = "d";
    }
    auto a = waiter(trace, "a", promise.future());
    auto b = waiter(trace, "b", promise.future());
    yield();
    promise.future().then([&](int v) { trace.push_back("c got " + std::to_string(v)); });
    auto d = waiter(trace, "d", promise.future());
    yield();
    (cancelled == "a" ? a : cancelled == "b" ? b : d).cancel();
    yield();
    auto e = waiter(trace, "e", promise.future());
    yield();
    promise.resolve(1);
    yield();
    Trace expected{cancelled + " cancelled"};
    for (const std::string name : {"a", "b", "c", "d", "e"}) {
      if (name != cancelled) expected.push_back(name + " got 1");
    }
    CHECK(trace == expected);
  });
}

TEST_CASE("neighbours that are cancelled one after the other leave the list whole") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    auto a = waiter(trace, "a", promise.future());
    auto b = waiter(trace, "b", promise.future());
    auto c = waiter(trace, "c", promise.future());
    yield();
    a.cancel();
    c.cancel();
    b.cancel();
    auto d = waiter(trace, "d", promise.future());
    yield();
    promise.resolve(1);
  });

  CHECK(trace == Trace{"a cancelled", "c cancelled", "b cancelled", "d got 1"});
}

TEST_CASE("a fiber that is cancelled before it waits does not wait") {
  Trace trace;

  test::run([&] {
    auto task = waiter(trace, "a", Future<int>::resolved(1));
    task.cancel();
  });

  CHECK(trace == Trace{"a cancelled"});
}

TEST_CASE("a value that is there when the fiber is cancelled is returned") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    auto task = waiter(trace, "a", promise.future());
    yield();
    promise.resolve(1);
    task.cancel();
  });

  CHECK(trace == Trace{"a got 1"});
}

TEST_CASE("await keeps what it waits for, whoever drops the future meanwhile") {
  test::run([] {
    auto promise = std::make_unique<Promise<int>>();
    auto future = std::make_unique<Future<int>>(promise->future());
    set_timeout(1ms, [&] {
      future.reset();
      std::exchange(promise, nullptr)->resolve(6);
    });
    CHECK(future->await() == 6);
  });
}

TEST_CASE("callbacks and hooks cannot await, settled or not") {
  int refused = 0;

  test::run([&] {
    const auto future = Future<int>::resolved(1);
    const auto refuse = [&] {
      CHECK_THROWS_AS(future.await(), UsageError);
      ++refused;
    };
    next_tick(refuse);
    future.then([refuse](int) { refuse(); });
    auto hook = create_hook({.promise_resolve = [&](AsyncId) { refuse(); }});
    hook.enable();
    Promise<int>().resolve(1);
    hook.disable();
  });

  CHECK(refused == 3);
}

TEST_CASE("fibers play ping-pong with promises") {
  constexpr int kRounds = 1000;
  int sum = 0;

  test::run([&] {
    std::optional<Promise<int>> ping(std::in_place);
    std::optional<Promise<int>> pong(std::in_place);
    spawn([&] {
      for (int i = 0; i < kRounds; ++i) {
        const int value = ping->future().await();
        ping.emplace();
        pong->resolve(value + 1);
      }
    });
    for (int i = 0; i < kRounds; ++i) {
      ping->resolve(i);
      sum += pong->future().await() - i;
      pong.emplace();
    }
  });

  CHECK(sum == kRounds);
}

TEST_CASE("a promise nobody settles is a deadlock that names it") {
  const test::ChildResult child = test::run_in_child([] {
    run([] {
      const Promise<int> promise;
      promise.future().await();
    });
  });

  CHECK(child.status == 2);
  CHECK(child.says("deadlock: every fiber waits"));
  CHECK(child.says("waits in await for PROMISE "));
}

// Waits when it dies, and notes how that ended.
struct WaitsAtLast {
  Trace& trace;
  Future<int> future;

  ~WaitsAtLast() {
    try {
      future.await();
    } catch (const std::system_error& error) {
      trace.push_back(error.what());
    }
  }
};

TEST_CASE("a stop ends waits for promises, also those of destructors") {
  Trace trace;
  std::optional<Promise<int>> promise;

  test::run([&] {
    promise.emplace();
    spawn([&trace, future = promise->future()] {
      const WaitsAtLast last{trace, future};
      future.await();
    });
    yield();
    Loop::current().stop();
  });

  CHECK(trace == Trace{"await: operation canceled (ECANCELED)"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
