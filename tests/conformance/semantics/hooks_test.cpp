// Hooks that come and go, or make resources, while a program runs.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/semantics/kinds.h>
#include <weft/tests/support/events.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Event;
using test::hook_at;
using test::HookRecorder;
using test::kEvents;
using test::Kind;
using test::kKinds;
using test::Trace;
using namespace std::chrono_literals;

// Which events a hook hears of one resource, in order.
class Listener {
 public:
  Listener()
      : hook_(create_hook({.init = [this](AsyncId id, std::string_view, AsyncId,
                                          AsyncResource&) { note("init", id); },
                           .before = [this](AsyncId id) { note("before", id); },
                           .after = [this](AsyncId id) { note("after", id); },
                           .destroy = [this](AsyncId id) { note("destroy", id); },
                           .promise_resolve = [this](AsyncId id) { note("resolve", id); }})) {}

  AsyncHook& hook() noexcept { return hook_; }
  Trace heard_of(AsyncId id) const {
    Trace heard;
    for (const auto& [event, of] : all_) {
      if (of == id) heard.push_back(event);
    }
    return heard;
  }

 private:
  void note(const char* event, AsyncId id) { all_.emplace_back(event, id); }

  std::vector<std::pair<std::string, AsyncId>> all_;
  AsyncHook hook_;
};

// Every event, of a fiber's life.
void live_once() {
  spawn([] {}).join();
  sleep_for(1ms);
}

// A resource that lives until after its callback: its destroy comes later or not at all.
bool outlives_its_callback(const Kind& kind) {
  for (const char* type :
       {"TCPSERVERWRAP", "TCPWRAP", "SIGNALWRAP", "FSEVENTWRAP", "STATWATCHER"}) {
    if (kind.type == type) return true;
  }
  return false;
}

TEST_SUITE_BEGIN("conformance/semantics/hooks");

TEST_CASE("a hook enabled in a callback hears the callback's after and its destroy, no before") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    Listener late;
    AsyncId id = 0;

    test::run([&] {
      kind.start([&] {
        id = execution_async_id();
        late.hook().enable();
      });
    });
    Trace heard = late.heard_of(id);
    if (outlives_its_callback(kind)) {
      CHECK(heard.back() == "destroy");
      heard = {heard.front(), heard.back()};  // between them: its other callbacks
    }

    const bool has_result = kind.type == "FIBER" || kind.type == "PROMISE";
    const Trace expected =
        has_result ? Trace{"resolve", "after", "destroy"} : Trace{"after", "destroy"};
    CHECK(heard == expected);
  }
}

TEST_CASE("a hook disabled in a callback hears neither its after nor its destroy") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    Listener early;
    AsyncId id = 0;
    early.hook().enable();

    test::run([&] {
      kind.start([&] {
        id = execution_async_id();
        early.hook().disable();
      });
    });
    const Trace heard = early.heard_of(id);

    CHECK(heard.front() == "init");
    CHECK(heard.back() == "before");
  }
}

TEST_CASE("a hook enabled while a fiber waits hears the rest of the fiber's life") {
  Listener late;
  AsyncId id = 0;

  test::run([&] {
    auto waiter = spawn([] { sleep_for(2ms); });
    id = waiter.async_id();
    set_timeout(1ms, [&] { late.hook().enable(); });
  });

  CHECK(late.heard_of(id) == Trace{"before", "resolve", "after", "destroy"});
}

TEST_CASE("a second hook with other events leaves the first what it hears") {
  Listener alone;
  Listener accompanied;
  const auto life = [](Listener& listener, auto enable_second) {
    AsyncId id = 0;
    test::run([&] {
      listener.hook().enable();
      id = spawn([&] {
             enable_second();
             yield();
           }).async_id();
    });
    listener.hook().disable();
    return listener.heard_of(id);
  };
  auto second = create_hook({.init = [](AsyncId, std::string_view, AsyncId, AsyncResource&) {},
                             .destroy = [](AsyncId) {}});

  const Trace without = life(alone, [] {});
  const Trace with = life(accompanied, [&] { second.enable(); });

  CHECK(without.front() == "init");
  CHECK(without == with);
}

TEST_CASE("a hook that enables itself in its own event is not called twice for one") {
  for (const Event event : kEvents) {
    CAPTURE(name(event));
    int calls = 0;
    AsyncHook hook = create_hook({});
    hook = hook_at(event, [&] {
      ++calls;
      hook.enable();
    });
    hook.enable();

    test::run([] { live_once(); });
    const int first = std::exchange(calls, 0);
    test::run([] { live_once(); });

    CHECK(first >= 1);
    CHECK(calls == first);
  }
}

TEST_CASE("a hook that is disabled and enabled in one event still hears the next") {
  for (const Event event : kEvents) {
    CAPTURE(name(event));
    int calls = 0;
    int in_first = 0;
    AsyncHook hook = create_hook({});
    hook = hook_at(event, [&] {
      ++calls;
      hook.disable().enable();
    });
    hook.enable();

    test::run([&] {
      live_once();
      in_first = calls;
      live_once();
    });

    CHECK(calls > in_first);
  }
}

TEST_CASE("a resource made in a hook lives as any other, in whichever event it is made") {
  for (const Event event : kEvents) {
    CAPTURE(name(event));
    Listener listener;
    AsyncId made = 0;
    listener.hook().enable();
    bool making = false;
    auto maker = hook_at(event, [&] {
      if (std::exchange(making, true)) return;
      AsyncResource job("JOB");
      made = job.async_id();
      job.run_in_async_scope([] {});
    });
    maker.enable();

    test::run([] { live_once(); });

    CHECK(listener.heard_of(made) == Trace{"init", "before", "after", "destroy"});
  }
}

TEST_CASE("what a hook starts runs later, in whichever event it is started") {
  for (const Event event : kEvents) {
    CAPTURE(name(event));
    Trace trace;
    bool started = false;
    auto starter = hook_at(event, [&] {
      if (std::exchange(started, true)) return;
      next_tick([&] { trace.push_back("tick"); });
      set_immediate([&] { trace.push_back("immediate"); });
      spawn([&] { trace.push_back("fiber"); });
      trace.push_back("hook");
    });

    test::run([&] {
      starter.enable();
      live_once();
      sleep_for(1ms);
    });
    std::sort(trace.begin() + 1, trace.end());

    CHECK(trace == Trace{"hook", "fiber", "immediate", "tick"});
  }
}

TEST_CASE("a resource made in a hook is triggered by what runs then, in destroy by nothing") {
  const auto trigger_of_made = [](Event event) {
    AsyncId trigger = 77;
    AsyncId job_id = 0;
    bool making = false;
    auto maker = hook_at(event, [&] {
      if (!std::exchange(making, true)) trigger = AsyncResource("MADE").trigger_async_id();
    });
    test::run([&] {
      AsyncResource job("JOB");
      job_id = job.async_id();
      job.run_in_async_scope([&] {
        maker.enable();
        if (event == Event::kInit) AsyncResource("CHILD");
        if (event == Event::kBefore) AsyncResource("CHILD").run_in_async_scope([] {});
        detail::emit_promise_resolve(job.async_id());
      });
    });
    return trigger == job_id ? "the job" : trigger == 0 ? "nothing" : "another";
  };

  CHECK(std::string(trigger_of_made(Event::kInit)) == "the job");
  CHECK(std::string(trigger_of_made(Event::kBefore)) == "another");
  CHECK(std::string(trigger_of_made(Event::kAfter)) == "the job");
  CHECK(std::string(trigger_of_made(Event::kResolve)) == "the job");
  CHECK(std::string(trigger_of_made(Event::kDestroy)) == "nothing");
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
