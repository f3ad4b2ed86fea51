#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/await.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/fibers");

TEST_CASE("a function that waits is one fiber, in the store of its start") {
  reproduce("await", [](Life& life) {
    const auto work = [&life] {
      life.cb("f-sync");
      yield();
      life.cb("f-after-await");
      sleep_for(1ms);
      life.cb("f-after-timer");
    };
    const auto then = [&life, work] {
      Task<void> working = spawn(work);
      spawn([&life, task = std::move(working)]() mutable {
        task.join();
        life.cb("f-then");
      });
    };
    life.run([&] {
      life.als.run("A", then);
      life.cb("main");
    });
  });
}

TEST_CASE("what a fiber enters stays in it, before and behind its waits") {
  reproduce("await-enterwith", [](Life& life) {
    const auto callee = [&life] {
      life.als.enter_with("IN-F-SYNC");
      yield();
      life.cb("f-after-await");
      life.als.enter_with("IN-F-ASYNC");
      yield();
      life.cb("f-after-2nd-await");
    };
    const auto caller = [&life, callee] {
      Task<void> task = spawn(callee);
      life.cb("caller-after-call");
      task.join();
      life.cb("caller-after-await");
    };
    life.run([&] { life.als.run("A", [&] { spawn(caller); }); });
  });
}

TEST_CASE("a fiber started inside run keeps that store behind its waits, the starter its own") {
  reproduce("await-run-inner", [](Life& life) {
    const auto inner = [&life] {
      life.cb("in-B");
      yield();
      life.cb("in-B-after-await");
    };
    const auto outer = [&life, inner] {
      life.als.run("B", [&] { spawn(inner).join(); });
      life.cb("back-in-A");
    };
    life.run([&] { life.als.run("A", [&] { spawn(outer); }); });
  });
}

TEST_CASE("what a fiber enters does not leak to the one that joins it") {
  reproduce("enterwith-await-leak", [](Life& life) {
    const auto after = [&life] {
      yield();
      life.als.enter_with("AFTER-AWAIT");
    };
    const auto before = [&life] {
      life.als.enter_with("BEFORE-AWAIT");
      yield();
    };
    const auto caller = [&life, after, before] {
      spawn(after).join();
      life.cb("caller-after-after()");
      spawn(before).join();
      life.cb("caller-after-before()");
    };
    life.run([&] { spawn(caller); });
  });
}

TEST_CASE("two fibers that wait for one promise go on in their own stores") {
  reproduce("promise-shared-two-waiters", [](Life& life) {
    std::optional<Promise<void>> promise;
    const auto wait = [&](const char* label) {
      spawn([&life, label, future = promise->future()] {
        future.await();
        life.cb(label);
      });
    };
    life.run([&] {
      life.als.run("OWNER", [&] { promise.emplace(); });
      life.als.run("W1", wait, "w1");
      life.als.run("W2", wait, "w2");
      life.als.run("RES", [&] { promise->resolve(); });
    });
  });
}

TEST_CASE("an operation that is awaited starts in the fiber's store, and ends in it") {
  reproduce("thenable", [](Life& life) {
    const auto operation = [&life](Callback<void> done) {
      life.cb("thenable.then");
      life.als.run("T", [&] {
        set_timeout(1ms, [&life, done = std::move(done)]() mutable {
          life.cb("resolver");
          done({});
        });
      });
    };
    const auto wait = [&life, operation] {
      await<void>(operation);
      life.cb("after-thenable");
    };
    life.run([&] { life.als.run("A", [&] { spawn(wait); }); });
  });
}

TEST_CASE("a fiber that sleeps is waked by a timer of its own") {
  reproduce("timers-promises", [](Life& life) {
    const auto next_turn = [](Callback<void> done) {
      set_immediate([done = std::move(done)]() mutable { done({}); });
    };
    const auto wait = [&life, next_turn] {
      sleep_for(1ms);
      life.cb("setTimeout");
      await<void>(next_turn);
      life.cb("setImmediate");
    };
    life.run([&] { life.als.run("A", [&] { spawn(wait); }); });
  });
}

TEST_CASE("errors nobody takes, of a promise and of a fiber, are told in their stores") {
  reproduce("unhandled-rejection", [](Life& life) {
    const auto on_uncaught = [&life](const std::exception_ptr& error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::runtime_error& thrown) {
        life.cb(std::string("unhandledRejection-") + thrown.what());
      }
    };
    const auto fail = [] {
      yield();
      throw std::runtime_error("async-boom");
    };
    const auto body = [&] {
      life.als.run("A", [] { Future<int>::rejected(std::runtime_error("boom")); });
      life.als.run("B", [&] { spawn(fail); });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
