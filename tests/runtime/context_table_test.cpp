#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/snapshot.h>
#include <weft/runtime/await.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/context_table");

using Look = std::function<void()>;

// One call that takes a callback, and makes it run later.
struct Row {
  const char* api;
  void (*call)(Look look);
};

const Row kTable[] = {
    {"set_timeout", [](Look look) { set_timeout(1ms, std::move(look)); }},
    {"set_interval",
     [](Look look) {
       auto interval = std::make_shared<std::optional<Timeout>>();
       *interval = set_interval(1ms, [interval, look] {
         look();
         std::exchange(*interval, std::nullopt)->clear();
       });
     }},
    {"set_immediate", [](Look look) { set_immediate(std::move(look)); }},
    {"refresh of a timer that fired",
     [](Look look) {
       auto first = std::make_shared<bool>(true);
       auto timer = detached([&] {
         return set_timeout(1ms, [look, first] {
           if (!std::exchange(*first, false)) look();
         });
       });
       spawn([timer]() mutable {
         sleep_for(2ms);
         timer.refresh();
       });
     }},
    {"next_tick", [](Look look) { next_tick(std::move(look)); }},
    {"queue_microtask", [](Look look) { queue_microtask(std::move(look)); }},
    {"spawn", [](Look look) { spawn(std::move(look)); }},
    {"spawn, after a wait",
     [](Look look) {
       spawn([look] {
         sleep_for(1ms);
         look();
       });
     }},
    {"spawn, after an await that another context ends",
     [](Look look) {
       spawn([look] {
         await<int>([](Callback<int> done) {
           detached([&] { set_timeout(1ms, [done = std::move(done)]() mutable { done(1); }); });
         });
         look();
       });
     }},
    {"then of a promise",
     [](Look look) {
       auto promise = std::make_shared<Promise<void>>();
       promise->future().then(std::move(look));
       detached([&] { set_timeout(1ms, [promise] { promise->resolve(); }); });
     }},
    {"catch_error of a promise",
     [](Look look) {
       auto promise = std::make_shared<Promise<void>>();
       promise->future().catch_error([look](std::exception_ptr) { look(); });
       detached([&] { set_timeout(1ms, [promise] { promise->reject(1); }); });
     }},
    {"finally of a promise",
     [](Look look) {
       auto promise = std::make_shared<Promise<void>>();
       promise->future().finally(std::move(look));
       detached([&] { set_timeout(1ms, [promise] { promise->resolve(); }); });
     }},
    {"Loop::post", [](Look look) { Loop::current().post(std::move(look)); }},
    {"bind",
     [](Look look) {
       detached([bound = bind(std::move(look))]() mutable { set_timeout(1ms, std::move(bound)); });
     }},
    {"Snapshot",
     [](Look look) {
       auto snapshot = std::make_shared<Snapshot>(Snapshot::capture());
       detached([&] { set_timeout(1ms, [snapshot, look] { (*snapshot)(look); }); });
     }},
    {"AsyncResource",
     [](Look look) {
       auto job = std::make_shared<AsyncResource>("JOB");
       detached([&] { set_timeout(1ms, [job, look] { job->run_in_async_scope(look); }); });
     }},
};

TEST_CASE("a callback runs in the context of the call that took it, whichever takes it") {
  for (const Row& row : kTable) {
    CAPTURE(row.api);
    const AsyncLocal<std::string> who;
    Trace trace;

    test::run([&] {
      who.run("caller", [&] { row.call([&] { trace.push_back(seen(who)); }); });
      who.enter_with("main");
      sleep_for(10ms);
      trace.push_back(seen(who));
    });

    CHECK(trace == Trace{"caller", "main"});
  }
}

TEST_CASE("what a callback enters is gone when it returns, whichever runs it") {
  for (const Row& row : kTable) {
    CAPTURE(row.api);
    const AsyncLocal<std::string> who;
    Trace trace;

    test::run([&] {
      row.call([&] { who.enter_with("left behind"); });
      set_timeout(5ms, [&] { trace.push_back(seen(who)); });
      sleep_for(10ms);
      trace.push_back(seen(who));
    });

    CHECK(trace == Trace{"none", "none"});
  }
}

TEST_CASE("a call in the empty context hands on nothing, whichever takes the callback") {
  for (const Row& row : kTable) {
    CAPTURE(row.api);
    const AsyncLocal<std::string> who;
    Trace trace;

    test::run([&] {
      who.enter_with("main");
      detached([&] { row.call([&] { trace.push_back(seen(who)); }); });
      sleep_for(10ms);
    });

    CHECK(trace == Trace{"none"});
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
