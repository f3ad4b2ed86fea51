#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Mortal;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Promise<int>>);
static_assert(std::is_nothrow_move_constructible_v<Promise<int>>);
static_assert(std::is_copy_constructible_v<Future<std::unique_ptr<int>>>);

TEST_SUITE_BEGIN("runtime/promise");

// A reaction that notes the value behind `label`.
auto note(Trace& trace, std::string label) {
  return [&trace, label = std::move(label)](int value) {
    trace.push_back(label + " " + std::to_string(value));
  };
}
auto note_error(Trace& trace) {
  return [&trace](const std::exception_ptr& error) {
    trace.push_back(detail::describe_exception(error));
  };
}

TEST_CASE("reactions run in order with microtasks and fibers, after ticks, never inside resolve") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    queue_microtask([&] { trace.push_back("microtask"); });
    promise.future().then(note(trace, "first"));
    spawn([&] { trace.push_back("fiber"); });
    promise.future().then(note(trace, "second"));
    promise.resolve(1);
    queue_microtask([&] { trace.push_back("later microtask"); });
    promise.future().then(note(trace, "third"));
    next_tick([&] { trace.push_back("tick"); });
    trace.push_back("resolved");
  });

  CHECK(trace == Trace{"resolved", "tick", "microtask", "fiber", "first 1", "second 1",
                       "later microtask", "third 1"});
}

TEST_CASE("then gives a future of what the reaction returns") {
  test::run([] {
    const auto one = Future<int>::resolved(1);
    const Future<std::string> text = one.then([](int v) { return std::to_string(v); });
    const Future<void> nothing = one.then([](int) {});
    const Future<int> from_nothing = nothing.then([] { return 2; });
    const Future<int> flattened = one.then([](int v) { return Future<int>::resolved(v + 2); });

    CHECK(text.await() == "1");
    CHECK(from_nothing.await() == 2);
    CHECK(flattened.await() == 3);
  });
}

TEST_CASE("what a reaction throws rejects its future") {
  Trace trace;

  test::run([&] {
    Future<int>::resolved(1)
        .then([](int) -> int { throw std::runtime_error("of the reaction"); })
        .then(note(trace, "never"))
        .catch_error(note_error(trace));
  });

  CHECK(trace == Trace{"of the reaction (std::runtime_error)"});
}

TEST_CASE("of two reactions the one that fits is called, and the chain goes on") {
  Trace trace;

  test::run([&] {
    const auto number = [](const std::exception_ptr&) { return -1; };
    Future<int>::rejected(1).then([](int v) { return v; }, number).then(note(trace, "after error"));
    Future<int>::resolved(1).then([](int v) { return v; }, number).then(note(trace, "after value"));
    Future<int>::resolved(2).catch_error(number).then(note(trace, "passed by"));
    Future<int>::rejected(1)
        .catch_error([](const std::exception_ptr&) { return Future<int>::resolved(3); })
        .then(note(trace, "flattened"));
  });

  CHECK(trace == Trace{"after error -1", "after value 1", "passed by 2", "flattened 3"});
}

TEST_CASE("finally passes the outcome on, unless it fails itself") {
  Trace trace;

  test::run(
      [&] {
        const auto value = Future<int>::resolved(1);
        const auto error = Future<int>::rejected(std::runtime_error("first"));
        const auto fails = [] { throw std::runtime_error("of finally"); };
        const auto waits = [] {
          return Future<int>::rejected(std::runtime_error("of its future"));
        };

        for (const auto& settled : {value, error}) {
          settled.finally([] { return 7; }).then(note(trace, "value"), note_error(trace));
          sleep_for(1ms);
          settled.finally(fails).then(note(trace, "value"), note_error(trace));
          sleep_for(1ms);
          settled.finally(waits).then(note(trace, "value"), note_error(trace));
          sleep_for(1ms);
        }
      },
      {.run = {.on_uncaught = [](const std::exception_ptr&) {}}});

  CHECK(trace == Trace{"value 1", "of finally (std::runtime_error)",
                       "of its future (std::runtime_error)", "first (std::runtime_error)",
                       "of finally (std::runtime_error)", "of its future (std::runtime_error)"});
}

TEST_CASE("finally waits for the future it returns") {
  Trace trace;

  test::run([&] {
    Promise<void> cleanup;
    Future<int>::resolved(1)
        .finally([future = cleanup.future()] { return future; })
        .then(note(trace, "value"));
    sleep_for(1ms);
    trace.push_back("cleaned up");
    cleanup.resolve();
  });

  CHECK(trace == Trace{"cleaned up", "value 1"});
}

TEST_CASE("the first settling counts") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    const auto future = promise.future();
    Promise<int> other;
    SUBCASE("resolve") {
      promise.resolve(1);
    }
    SUBCASE("resolve with a future that is pending") {
      promise.resolve(other.future());
    }
    promise.resolve(2);
    promise.reject(3);
    promise.resolve(Future<int>::resolved(4));
    other.resolve(1);
    future.then(note(trace, "settled"));
  });

  CHECK(trace == Trace{"settled 1"});
}

TEST_CASE("a promise adopts what another comes to, by way of others too") {
  Trace trace;

  test::run([&] {
    Promise<int> first;
    Promise<int> second;
    Promise<int> third;
    first.resolve(second.future());
    second.resolve(third.future());
    first.future().then(note(trace, "value"), note_error(trace));
    CHECK_FALSE(first.future().is_settled());
    sleep_for(1ms);
    SUBCASE("a value") {
      third.resolve(5);
    }
    SUBCASE("an error") {
      third.reject(std::runtime_error("five"));
    }
    yield();
    yield();
    CHECK(first.future().is_settled());
  });

  CHECK(trace.size() == 1);
  CHECK((trace == Trace{"value 5"} || trace == Trace{"five (std::runtime_error)"}));
}

TEST_CASE("waiting for itself is an error") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    CHECK_THROWS_AS(promise.resolve(promise.future()), UsageError);
    promise.resolve(1);

    std::optional<Future<int>> own;
    own = promise.future().then([&own](int) { return *own; });
    own->catch_error([&](const std::exception_ptr& error) { return note_error(trace)(error), 0; });
    yield();
    own.reset();
  });

  CHECK(trace == Trace{"resolve: a promise cannot wait for its own future, nor for one that waits "
                       "for it (weft::UsageError)"});
}

TEST_CASE("promises that would wait for each other in a circle are an error") {
  test::run([] {
    Promise<int> first;
    Promise<int> second;
    Promise<int> third;
    first.resolve(second.future());
    CHECK_THROWS_AS(second.resolve(first.future()), UsageError);
    yield();  // it follows
    CHECK_THROWS_AS(second.resolve(first.future()), UsageError);

    second.resolve(third.future().then([](int value) { return value + 1; }));
    CHECK_THROWS_AS(third.resolve(first.future().then([](int value) { return value; })),
                    UsageError);
    third.resolve(1);
    CHECK(first.future().await() == 2);
  });
}

TEST_CASE("a finally cannot wait for what waits for it") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    std::optional<Future<int>> last;
    last =
        promise.future().finally([&last] { return *last; }).then([](int value) { return value; });
    promise.resolve(1);
    last->catch_error([&](const std::exception_ptr& error) { return note_error(trace)(error), 0; });
    yield();
    last.reset();
  });

  CHECK(trace == Trace{"finally: a promise cannot wait for its own future, nor for one that waits "
                       "for it (weft::UsageError)"});
}

TEST_CASE("a promise that is settled while it captures its context follows nobody") {
  int value = 0;

  test::run([&] {
    Promise<int> promise;
    Promise<int> other;
    const AsyncLocal<int> forks({.fork = [&promise](const int& parent) {
      promise.resolve(1);
      return parent;
    }});
    forks.run(0, [&] { promise.resolve(other.future()); });
    other.resolve(2);
    value = promise.future().await();
  });

  CHECK(value == 1);
}

TEST_CASE("a reaction runs in the context of its then, whatever it changes stays inside") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    const auto look = [&](int) {
      trace.push_back(seen(who));
      who.enter_with("leaked");
    };
    who.run("A", [&] { promise.future().then(look); });
    promise.future().then(look);
    who.run("B", [&] { promise.future().then(look).then([&] { trace.push_back(seen(who)); }); });
    who.run("resolver", [&] { promise.resolve(1); });
  });

  CHECK(trace == Trace{"A", "none", "B", "B"});
}

TEST_CASE("reactions may react, settle and drop what they react to") {
  Trace trace;

  test::run([&] {
    auto promise = std::make_unique<Promise<int>>();
    Promise<int> other;
    std::optional<Future<int>> future = promise->future();
    other.future().then(note(trace, "other"));
    future->then([&](int v) {
      future->then(note(trace, "inner"));
      other.resolve(v + 1);
      future.reset();
      promise.reset();
      trace.push_back("outer " + std::to_string(v));
    });
    promise->resolve(1);
    yield();
  });

  CHECK(trace == Trace{"outer 1", "inner 1", "other 2"});
}

TEST_CASE("a reaction is called once and what it captured dies after it") {
  Trace trace;

  test::run([&] {
    Promise<Mortal> promise;
    const auto result = promise.future().then(
        [held = Mortal(trace, "capture")](const Mortal& value) { return value.name() + " seen"; });
    promise.resolve(Mortal(trace, "value"));
    trace.push_back(result.await());
  });

  CHECK(trace == Trace{"capture dies", "value seen", "value dies"});
}

TEST_CASE("what can only be moved is read by any reaction and goes to the first that takes it") {
  Trace trace;

  test::run([&] {
    Promise<std::unique_ptr<int>> promise;
    const auto future = promise.future();
    promise.resolve(std::make_unique<int>(4));
    future.then([&](const std::unique_ptr<int>& v) { note(trace, "read")(*v); });
    future.finally([] {}).then([&](std::unique_ptr<int> v) { note(trace, "taken")(*v); });
    sleep_for(1ms);
    future.then([&](std::unique_ptr<int>) { trace.push_back("never"); })
        .catch_error(note_error(trace));
    sleep_for(1ms);
    CHECK_THROWS_AS(Future(future).await(), UsageError);
  });

  CHECK(trace == Trace{"read 4", "taken 4",
                       "then: the promise's value cannot be copied and was taken already "
                       "(weft::UsageError)"});
}

TEST_CASE("a promise and its future are used on their own loop only") {
  std::optional<Promise<int>> promise;
  std::optional<Future<int>> future;
  CHECK_THROWS_AS(Promise<int>(), UsageError);

  test::run([&] {
    promise.emplace();
    future = promise->future();
    std::thread([&] {
      CHECK_THROWS_AS(promise->resolve(1), UsageError);
      CHECK_THROWS_AS(future->then([](int) {}), UsageError);
    }).join();
  });

  test::run([&] {
    CHECK_THROWS_AS(promise->reject(1), UsageError);
    CHECK_THROWS_AS(future->await(), UsageError);
    CHECK_THROWS_AS(Promise<int>().resolve(*future), UsageError);
  });
  CHECK_THROWS_AS(promise->resolve(1), UsageError);
}

TEST_CASE("a promise that was moved from, and an error that is none, are usage errors") {
  test::run([] {
    Promise<int> promise;
    Promise<int> taken(std::move(promise));
    Future<int> future = taken.future();
    const Future<int> other(std::move(future));

    // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what is refused here
    CHECK_THROWS_AS(promise.resolve(1), UsageError);
    CHECK_THROWS_AS(future.is_settled(), UsageError);
    // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    CHECK_THROWS_AS(taken.reject(std::exception_ptr()), UsageError);
    CHECK_FALSE(other.is_settled());
  });
}

// --- what is pending when the loop ends ---

TEST_CASE("reactions of a promise that outlives its loop are dropped with it") {
  Trace trace;
  std::optional<Promise<int>> promise;

  test::run([&] {
    promise.emplace();
    promise->future()
        .then([held = Mortal(trace, "first")](int) {})
        .then([held = Mortal(trace, "second")] {})
        .finally([held = Mortal(trace, "third")] {});
    Promise<int>(std::move(*promise)).resolve(promise.emplace().future());
    trace.push_back("end");
  });
  promise.reset();

  CHECK(trace == Trace{"end", "first dies", "second dies", "third dies"});
}

TEST_CASE("long chains neither run nor end in recursion") {
  constexpr int kLength = 100'000;
  int count = 0;
  std::optional<Promise<int>> promise;

  SUBCASE("of reactions that run") {
    test::run([&] {
      promise.emplace();
      auto last = promise->future();
      for (int i = 0; i < kLength; ++i) last = last.then([&](int v) { return ++count, v; });
      promise->resolve(1);
      CHECK(last.await() == 1);
    });
    CHECK(count == kLength);
  }
  SUBCASE("of reactions that are dropped") {
    test::run([&] {
      promise.emplace();
      auto last = promise->future();
      for (int i = 0; i < kLength; ++i) last = last.then([](int v) { return v; });
    });
  }
  SUBCASE("of promises that adopt") {
    test::run([&] {
      promise.emplace();
      auto last = promise->future();
      for (int i = 0; i < kLength; ++i) {
        Promise<int> next;
        next.resolve(last);
        last = next.future();
      }
      yield();
      SUBCASE("and settle") {
        promise->resolve(2);
        CHECK(last.await() == 2);
      }
      SUBCASE("and are dropped") {}
    });
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
