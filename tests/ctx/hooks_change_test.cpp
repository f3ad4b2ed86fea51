// Hooks that change hooks, or make resources, while an event is emitted.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/support/events.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::Event;
using test::hook_at;
using test::HookRecorder;
using test::Trace;

void live_once() {
  {
    AsyncResource job("JOB");
    job.run_in_async_scope([&] { detail::emit_promise_resolve(job.async_id()); });
  }
  detail::drain_destroys();
}

// Runs the test's subcase for each event.
Event each_event() {
  Event event = Event::kInit;
  SUBCASE("init") {
    event = Event::kInit;
  }
  SUBCASE("before") {
    event = Event::kBefore;
  }
  SUBCASE("after") {
    event = Event::kAfter;
  }
  SUBCASE("destroy") {
    event = Event::kDestroy;
  }
  SUBCASE("promise_resolve") {
    event = Event::kResolve;
  }
  return event;
}

TEST_SUITE_BEGIN("ctx/hooks_change");

TEST_CASE_FIXTURE(ContextTest, "a hook enabled inside an event sees the next one, not this one") {
  const Event event = each_event();
  int seen = 0;
  int seen_at_first = -1;
  auto inner = hook_at(event, [&] { ++seen; });
  auto outer = hook_at(event, [&] { inner.enable(); });
  outer.enable();

  live_once();
  seen_at_first = seen;
  live_once();

  CHECK(seen_at_first == 0);
  CHECK(seen == 1);
}

TEST_CASE_FIXTURE(ContextTest, "a hook disabled inside an event still sees this one") {
  const Event event = each_event();
  int seen = 0;
  auto second = hook_at(event, [&] { ++seen; });
  auto first = hook_at(event, [&] { second.disable(); });
  first.enable();
  second.enable();

  live_once();
  live_once();

  CHECK(seen == 1);
}

TEST_CASE_FIXTURE(ContextTest, "a hook that disables itself is called once") {
  const Event event = each_event();
  int seen = 0;
  AsyncHook hook = create_hook({});
  hook = hook_at(event, [&] {
    ++seen;
    hook.disable();
  });
  hook.enable();

  live_once();
  live_once();

  CHECK(seen == 1);
}

TEST_CASE_FIXTURE(ContextTest, "a hook may be dropped inside its own event") {
  const Event event = each_event();
  int seen = 0;
  std::optional<AsyncHook> hook;
  hook.emplace(hook_at(event, [&, alive = std::make_shared<int>(7)] {
    hook.reset();
    seen += *alive;
  }));
  hook->enable();

  live_once();
  live_once();

  CHECK(seen == 7);
}

TEST_CASE_FIXTURE(ContextTest, "a hook enabled in init sees no event nested in that emission") {
  HookRecorder recorder;
  std::optional<HookRecorder> late;
  bool first = true;
  auto hook = hook_at(Event::kInit, [&] {
    if (!std::exchange(first, false)) return;
    late.emplace();
    AsyncResource nested("NESTED");
    nested.run_in_async_scope([] {});
  });
  hook.enable();

  AsyncResource job("JOB");
  job.run_in_async_scope([] {});

  CHECK(recorder.trace() ==
        Trace{"init JOB 2 1", "init NESTED 3 1", "before 3", "after 3", "before 2", "after 2"});
  CHECK(late->trace() == Trace{"before ?2", "after ?2"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook disabled in before does not get the after of that call") {
  Trace trace;
  AsyncHook hook = create_hook({});
  hook = create_hook({.before =
                          [&](AsyncId) {
                            trace.push_back("before");
                            hook.disable();
                          },
                      .after = [&](AsyncId) { trace.push_back("after"); }});
  hook.enable();

  live_once();

  CHECK(trace == Trace{"before"});
}

TEST_CASE_FIXTURE(ContextTest, "the last of several changes inside one emission holds") {
  int seen = 0;
  auto target = hook_at(Event::kBefore, [&] { ++seen; });
  auto changer = hook_at(Event::kInit, [&] { target.enable().disable().enable(); });
  changer.enable();
  AsyncResource job("JOB");
  changer.disable();

  job.run_in_async_scope([] {});

  CHECK(seen == 1);
}

TEST_CASE_FIXTURE(ContextTest, "three hooks that switch each other run in counted order") {
  Trace trace;
  auto third = create_hook({.before = [&](AsyncId) { trace.push_back("3 before"); },
                            .after = [&](AsyncId) { trace.push_back("3 after"); }});
  auto second = create_hook({.before = [&](AsyncId) { trace.push_back("2 before"); },
                             .after =
                                 [&](AsyncId) {
                                   trace.push_back("2 after");
                                   third.enable();
                                 }});
  auto first = create_hook({.before =
                                [&](AsyncId) {
                                  trace.push_back("1 before");
                                  second.enable();
                                },
                            .after =
                                [&](AsyncId) {
                                  trace.push_back("1 after");
                                  third.disable();
                                }});
  AsyncResource job("JOB");
  first.enable();

  job.run_in_async_scope([] {});
  job.run_in_async_scope([] {});

  CHECK(trace == Trace{"1 before", "1 after", "2 after",  //
                       "1 before", "2 before", "3 before", "1 after", "2 after", "3 after"});
}

TEST_CASE_FIXTURE(ContextTest, "a resource made in init has an init of its own, inside the other") {
  HookRecorder recorder;
  bool making = false;
  std::optional<AsyncResource> nested;
  auto hook = create_hook({.init = [&](AsyncId id, std::string_view, AsyncId, AsyncResource&) {
    if (std::exchange(making, true)) return;
    nested.emplace("NESTED", AsyncResourceOptions{.trigger = id});
    recorder.note("made");
  }});
  hook.enable();

  const AsyncResource job("JOB");

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "init NESTED 3 2", "made"});
}

TEST_CASE_FIXTURE(ContextTest, "a call made inside before nests its pair there") {
  HookRecorder recorder;
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER");
  auto hook = create_hook({.before = [&](AsyncId id) {
    if (id == outer.async_id()) inner.run_in_async_scope([] {});
  }});
  hook.enable();

  outer.run_in_async_scope([&] { recorder.note("callback"); });

  CHECK(recorder.take() == Trace{"init OUTER 2 1", "init INNER 3 1", "before 2", "before 3",
                                 "after 3", "callback", "after 2"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
