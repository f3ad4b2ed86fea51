#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/promise_rejection");

std::runtime_error boom() {
  return std::runtime_error("boom");
}

// What the handler of uncaught errors got while `body` ran.
template <typename Body>
Trace reported(Body body) {
  Trace trace;
  test::run(std::move(body), {.run = {.on_uncaught = [&trace](const std::exception_ptr& error) {
                                trace.push_back(detail::describe_exception(error));
                              }}});
  return trace;
}

TEST_CASE("a rejection nobody looks at is reported as the promise, in the rejecting context") {
  AsyncLocal<std::string> store;
  HookRecorder recorder({.hidden_types = {"FIBER"}});
  std::optional<Promise<int>> promise;

  test::run(
      [&] {
        store.run("CREATE", [&] { promise.emplace(); });
        store.run("REJECT", [&] { promise->reject(boom()); });
        next_tick([&] { recorder.note("tick"); });
        queue_microtask([&] { recorder.note("microtask"); });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         recorder.note(detail::describe_exception(error) + " in " + seen(store) + " of " +
                       recorder.name(execution_async_id()) + "/" +
                       recorder.name(trigger_async_id()));
         next_tick([&] { recorder.note("tick of the handler"); });
       }}});

  Trace events = recorder.take();
  std::erase_if(events, [](const std::string& line) {
    return line.find("TickObject") != std::string::npos ||
           line.find("Microtask") != std::string::npos || line.starts_with("before") ||
           line.starts_with("after") || line.starts_with("destroy");
  });
  CHECK(events == Trace{"init PROMISE 2 0", "resolve 2", "tick", "microtask",
                        "boom (std::runtime_error) in REJECT of 2/1", "tick of the handler"});
}

TEST_CASE("rejections are reported in their order, after the whole drain") {
  const Trace trace = reported([] {
    Future<int>::rejected(std::runtime_error("first"));
    Future<int>::resolved(1).then([](int) { throw std::runtime_error("of a reaction"); });
    Future<int>::rejected(std::runtime_error("second"));
  });

  CHECK(trace == Trace{"first (std::runtime_error)", "second (std::runtime_error)",
                       "of a reaction (std::runtime_error)"});
}

TEST_CASE("who looks before the drain ends prevents the report") {
  Trace handled;
  const Trace trace = reported([&] {
    const auto future = Future<int>::rejected(boom());
    const auto look = [&handled, future](const char* how) {
      future.then([](int) {}, [&handled, how](std::exception_ptr) { handled.push_back(how); });
    };
    SUBCASE("at once") {
      look("caught");
    }
    SUBCASE("in a tick") {
      next_tick([look] { look("caught"); });
    }
    SUBCASE("in a microtask of a microtask") {
      queue_microtask([look] { queue_microtask([look] { look("caught"); }); });
    }
    SUBCASE("in a fiber that awaits") {
      spawn([&handled, future] {
        try {
          future.await();
        } catch (const std::runtime_error&) {
          handled.push_back("caught");
        }
      });
    }
  });

  CHECK(handled == Trace{"caught"});
  CHECK(trace == Trace{});
}

TEST_CASE("who looks after the drain is late") {
  Trace handled;

  const Trace trace = reported([&] {
    const auto future = Future<int>::rejected(boom());
    set_timeout(1ms, [&, future] {
      future.catch_error([&](std::exception_ptr) { return handled.push_back("caught"), 0; });
    });
  });

  CHECK(trace == Trace{"boom (std::runtime_error)"});
  CHECK(handled == Trace{"caught"});
}

TEST_CASE("a reaction without on_error hands the rejection on, and its own promise is reported") {
  AsyncId reporting = 0;
  AsyncId last = 0;

  test::run(
      [&] {
        const auto future =
            Future<int>::rejected(boom()).then([](int v) { return v; }).then([](int) {});
        last = future.async_id();
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) {
         CHECK(reporting == 0);
         reporting = execution_async_id();
       }}});

  CHECK(reporting == last);
}

TEST_CASE("an adopted rejection is reported once, for the promise that adopts") {
  const Trace trace = reported([] {
    Promise<int> promise;
    promise.resolve(Future<int>::rejected(boom()));
  });

  CHECK(trace == Trace{"boom (std::runtime_error)"});
}

TEST_CASE("a rejection whose waiter was cancelled before is nobody's again") {
  const Trace trace = reported([] {
    Promise<int> promise;
    auto waiter = spawn([future = promise.future()] { future.await(); });
    yield();
    waiter.cancel();
    yield();
    promise.reject(boom());
  });

  CHECK(trace == Trace{"boom (std::runtime_error)"});
}

TEST_CASE("a fiber that never stops yielding does not keep a rejection secret") {
  bool is_reported = false;
  int yields = 0;

  test::run(
      [&] {
        Promise<int>().reject(boom());
        while (!is_reported && ++yields < 1000) yield();
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) { is_reported = true; },
               .resume_budget = 10}});

  CHECK(is_reported);
  CHECK(yields < 1000);
  CHECK(yields >= 10);
}

TEST_CASE("without a handler the run ends with the rejection and a report that names it") {
  const test::ChildResult child = test::run_in_child([] {
    run([] {
      spawn([] { Promise<int>().reject(boom()); }, {.name = "worker"});
      sleep_for(1h);
    });
  });

  CHECK(child.status == 2);
  CHECK(child.says("weft: unhandled rejection: boom (std::runtime_error)\n  in PROMISE"));
  CHECK(child.says("thrown: boom"));
}

TEST_CASE("a report names the resources that led to the promise") {
  const test::ChildResult child = test::run_in_child([] {
    run([] {
      Promise<int> promise;
      promise.reject(boom());
      sleep_for(1h);
    });
  });

  CHECK(child.says("\n  started by FIBER "));
  CHECK(child.says("'main' (spawned at "));
}

// --- a promise that is dropped ---

TEST_CASE("dropping a promise unsettled rejects its futures with BrokenPromise") {
  Trace trace;

  test::run([&] {
    std::optional<Promise<int>> promise(std::in_place);
    const Future<int> future = promise->future();
    future.then([](int) {},
                [&](const std::exception_ptr& error) {
                  trace.push_back(detail::describe_exception(error));
                });
    spawn([&, future] {
      CHECK_THROWS_AS(future.await(), BrokenPromise);
      trace.push_back("awaited");
    });
    yield();
    promise.reset();
  });

  CHECK(trace == Trace{"promise: it was dropped before it was resolved or rejected "
                       "(weft::BrokenPromise)",
                       "awaited"});
}

TEST_CASE("a broken promise is no error where nobody waits, but one where somebody reacts") {
  CHECK(reported([] { const auto future = Promise<int>().future(); }) == Trace{});
  CHECK(reported([] { Promise<int>().future().then([](int) {}); }).size() == 1);
}

TEST_CASE("dropping a promise that was settled, moved from or never seen is nothing") {
  const Trace trace = reported([] {
    Promise<int> promise;
    Promise<int> other(std::move(promise));
    other.resolve(1);
    promise = std::move(other);
    promise = Promise<int>();
  });

  CHECK(trace == Trace{});
}

TEST_CASE("what a stop breaks is not reported") {
  const Trace trace = reported([] {
    Promise<void> promise;
    promise.future().then([] {});
    set_timeout(1h, [promise = std::move(promise)]() mutable { promise.resolve(); });
    Loop::current().stop();
  });

  CHECK(trace == Trace{});
}

TEST_CASE("a producer's Cancelled is no end of the fiber that waits, nor worth a report") {
  Trace trace;

  CHECK(reported([&] {
          Promise<int> promise;
          const auto future = promise.future();
          spawn([&trace, future] {
            CHECK_THROWS_AS(future.await(), std::system_error);
            trace.push_back("goes on");
          });
          spawn([promise = std::move(promise)]() mutable { promise.reject(Cancelled()); });
          Future<int>::rejected(Cancelled());
        }) == Trace{});
  CHECK(trace == Trace{"goes on"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
