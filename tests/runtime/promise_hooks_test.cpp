#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/promise.h>
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

TEST_SUITE_BEGIN("runtime/promise_hooks");

// Without what Node does not show: the main fiber, which is its main script; and
// destroy, which it leaves to the collector.
Trace as_node(const Trace& trace) {
  Trace kept;
  for (const std::string& line : trace) {
    const bool of_main =
        line == "init FIBER 1 0" || line == "before 1" || line == "after 1" || line == "resolve 1";
    if (!of_main && !line.starts_with("destroy")) kept.push_back(line);
  }
  return kept;
}

// The scenarios of Node's traces: what one shows in a callback goes between the events.
struct Scenario {
  HookRecorder recorder;
  AsyncLocal<std::string> store;

  void at(const std::string& label) {
    recorder.note(label + " " + seen(store) + " " + recorder.name(execution_async_id()) + "/" +
                  recorder.name(trigger_async_id()));
  }
  template <typename Body>
  Trace events(Body body) {
    test::run(std::move(body));
    return as_node(recorder.trace());
  }
};

TEST_CASE("a chain of then, catch and finally has Node's events") {
  Scenario node;

  const Trace events = node.events([&] {
    node.store.run("A", [&] {
      Promise<int> promise;
      node.at("executor");
      promise.resolve(1);
      promise.future()
          .then([&](int v) { return node.at("then1"), v; })
          .then([&](int) { node.at("then2"), throw std::runtime_error("x"); })
          .catch_error([&](std::exception_ptr) { node.at("catch"); })
          .finally([&] { node.at("finally"); });
    });
  });

  CHECK(events ==
        Trace{"init PROMISE 2 1", "executor A 1/0",   "resolve 2",        "init PROMISE 3 2",
              "init PROMISE 4 3", "init PROMISE 5 4", "init PROMISE 6 5", "before 3",
              "then1 A 3/2",      "resolve 3",        "after 3",          "before 4",
              "then2 A 4/3",      "resolve 4",        "after 4",          "before 5",
              "catch A 5/4",      "resolve 5",        "after 5",          "before 6",
              "finally A 6/5",    "init PROMISE 7 6", "resolve 7",        "init PROMISE 8 7",
              "after 6",          "before 8",         "resolve 8",        "after 8",
              "before 6",         "init PROMISE 9 8", "after 6",          "before 9",
              "resolve 6",        "resolve 9",        "after 9"});
}

TEST_CASE("a reaction sees the context of its then, not of the promise or the resolve") {
  Scenario node;
  std::optional<Promise<void>> promise;

  const Trace events = node.events([&] {
    node.store.run("CREATE", [&] { promise.emplace(); });
    node.store.run("REGISTER", [&] { promise->future().then([&] { node.at("then"); }); });
    node.store.run("RESOLVE", [&] {
      set_timeout(1ms, [&] {
        node.at("resolver");
        promise->resolve();
      });
    });
  });

  CHECK(events == Trace{"init PROMISE 2 1", "init PROMISE 3 2", "init Timeout 4 1", "before 4",
                        "resolver RESOLVE 4/1", "resolve 2", "after 4", "before 3",
                        "then REGISTER 3/2", "resolve 3", "after 3"});
}

TEST_CASE("fibers that await one promise run in the order they came, each in its context") {
  Scenario node;

  const Trace events = node.events([&] {
    Promise<void> promise;
    const Future<void> future = promise.future();
    for (const char* const name : {"W1", "W2"}) {
      node.store.run(name, [&] {
        spawn([&node, future] {
          future.await();
          node.at("woken");
        });
      });
    }
    yield();
    node.store.run("RES", [&] { promise.resolve(); });
  });

  CHECK(events == Trace{"init PROMISE 2 1", "init FIBER 3 1", "init FIBER 4 1", "before 3",
                        "after 3", "before 4", "after 4", "resolve 2", "before 3", "woken W1 3/1",
                        "resolve 3", "after 3", "before 4", "woken W2 4/1", "resolve 4",
                        "after 4"});
}

TEST_CASE("resolving with a future takes the events of Node's thenable job") {
  Scenario node;

  const Trace events = node.events([&] {
    Promise<int> inner;
    Promise<int> outer;
    node.store.run("ADOPT", [&] { outer.resolve(inner.future()); });
    outer.future().then([&](int) { node.at("then"); });
    inner.resolve(1);
  });

  CHECK(events == Trace{"init PROMISE 2 1", "init PROMISE 3 1", "init PROMISE 4 3", "resolve 2",
                        "before 3", "init PROMISE 5 2", "after 3", "before 5", "resolve 3",
                        "resolve 5", "after 5", "before 4", "then none 4/3", "resolve 4",
                        "after 4"});
}

TEST_CASE("a timer's promise resolves inside the timer") {
  Scenario node;

  const Trace events = node.events([&] {
    node.store.run("A", [&] {
      auto promise = std::make_unique<Promise<void>>();
      const Future<void> future = promise->future();
      set_timeout(1ms, [promise = std::move(promise)] { promise->resolve(); });
      future.then([&] { node.at("setTimeout"); });
    });
  });

  CHECK(events == Trace{"init PROMISE 2 1", "init Timeout 3 1", "init PROMISE 4 2", "before 3",
                        "resolve 2", "after 3", "before 4", "setTimeout A 4/2", "resolve 4",
                        "after 4"});
}

TEST_CASE("a promise is destroyed once, when its last handle and reaction are gone") {
  HookRecorder recorder({.hidden_types = {"FIBER", "Timeout"}});

  test::run([&] {
    std::optional<Promise<int>> promise(std::in_place);
    std::optional<Future<int>> future(promise->future());
    future->then([](int) {});
    promise->resolve(1);
    promise.reset();
    sleep_for(1ms);
    recorder.note("the future goes");
    future.reset();
  });

  CHECK(recorder.trace() == Trace{"init PROMISE 2 0", "init PROMISE 3 2", "resolve 2", "before 3",
                                  "resolve 3", "after 3", "destroy 3", "the future goes",
                                  "destroy 2"});
}

TEST_CASE("a promise without a reaction has neither before nor after") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([&] {
    const Promise<int> promise;
    Promise<int> resolved;
    resolved.resolve(1);
    CHECK(Future<int>::resolved(2).await() == 2);
  });

  CHECK(recorder.trace() == Trace{"init PROMISE 2 0", "init PROMISE 3 0", "resolve 3",
                                  "init PROMISE 4 0", "resolve 4", "destroy 4", "destroy 3",
                                  "destroy 2"});
}

TEST_CASE("hooks enabled midway see the rest of a promise's life") {
  std::optional<HookRecorder> recorder;

  test::run([&] {
    Promise<int> promise;
    promise.future().then([](int) {});
    recorder.emplace(HookRecorder::Options{.hidden_types = {"Timeout"}});
    promise.resolve(1);
    sleep_for(1ms);
    recorder->note("end");
  });

  const Trace events = as_node(recorder->take());
  recorder.reset();
  CHECK(events == Trace{"resolve ?2", "before ?3", "resolve ?3", "after ?3", "end"});
}

TEST_CASE("a hook may settle promises and react to them") {
  Trace trace;

  test::run([&] {
    Promise<int> first;
    Promise<int> second;
    const Future<int> future = second.future();
    bool once = true;
    auto hook = create_hook({.promise_resolve = [&](AsyncId id) {
      if (id != first.async_id() || !std::exchange(once, false)) return;
      first.resolve(7);
      second.resolve(2);
      first.future().then([&](int v) { trace.push_back("of the hook " + std::to_string(v)); });
    }});
    hook.enable();
    first.future().then([&](int v) { trace.push_back("first " + std::to_string(v)); });
    future.then([&](int v) { trace.push_back("second " + std::to_string(v)); });
    first.resolve(1);
    yield();
    hook.disable();
  });

  CHECK(trace == Trace{"second 2", "first 1", "of the hook 1"});
}

TEST_CASE("a hook may drop the last handle of the promise it hears of") {
  int calls = 0;

  test::run([&] {
    auto promise = std::make_unique<Promise<int>>();
    auto hook = create_hook({.promise_resolve = [&](AsyncId) {
      promise.reset();
      ++calls;
    }});
    hook.enable();
    SUBCASE("resolved") {
      promise->resolve(1);
    }
    SUBCASE("rejected") {
      promise->reject(Cancelled());
    }
    hook.disable();
  });

  CHECK(calls == 1);
}

TEST_CASE("a hook that settles a promise while then() makes its reaction loses nothing") {
  Trace trace;

  test::run([&] {
    Promise<int> promise;
    auto hook = create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
      if (type == "PROMISE") promise.resolve(5);
    }});
    hook.enable();
    promise.future().then([&](int v) { trace.push_back(std::to_string(v)); });
    hook.disable();
    yield();
  });

  CHECK(trace == Trace{"5"});
}

TEST_CASE("the running resource of a reaction is its promise, in its context") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    who.run("then", [&] {
      Future<int>::resolved(1).then([&](int) {
        AsyncResource* const resource = execution_async_resource();
        REQUIRE(resource != nullptr);
        trace.push_back(std::string(resource->type()));
        who.enter_with("changed");
        resource->run_in_async_scope([&] { trace.push_back(seen(who)); });
      });
    });
  });

  CHECK(trace == Trace{"PROMISE", "then"});
}

TEST_CASE("a fiber that awaits is resumed by the resource that settled") {
  AsyncId settler = 0;
  AsyncId resumer = 0;

  test::run([&] {
    Promise<void> promise;
    set_timeout(1ms, [&] {
      settler = execution_async_id();
      promise.resolve();
    });
    promise.future().await();
    resumer = resumed_by();
  });

  CHECK(settler != 0);
  CHECK(resumer == settler);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
