// When destroy events are queued, and when and where they are delivered.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::seen;
using test::Trace;

void make_and_drop() {
  const AsyncResource job("JOB");
}

TEST_SUITE_BEGIN("ctx/hooks_destroy");

TEST_CASE_FIXTURE(ContextTest, "destroys come in the order of the deaths, once each") {
  HookRecorder recorder;
  std::optional<AsyncResource> first(std::in_place, "FIRST");
  std::optional<AsyncResource> second(std::in_place, "SECOND");
  recorder.take();

  second.reset();
  first.reset();
  CHECK(recorder.take() == Trace{});
  detail::drain_destroys();
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"destroy 3", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "destroy runs outside of every resource and context") {
  const AsyncLocal<std::string> local;
  AsyncResource running("RUNNING");
  Trace trace;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    trace.push_back(std::to_string(execution_async_id()) + std::to_string(trigger_async_id()));
    trace.push_back(execution_async_resource() == nullptr ? "nowhere" : "somewhere");
    trace.push_back(seen(local));
    local.enter_with("hook");
  }});
  hook.enable();

  local.run("A", [&] {
    make_and_drop();
    running.run_in_async_scope([] { detail::drain_destroys(); });
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"00", "nowhere", "none", "A"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook disabled before the drain hears nothing") {
  Trace trace;
  auto hook = create_hook({.destroy = [&](AsyncId) { trace.push_back("destroy"); }});
  hook.enable();

  make_and_drop();
  hook.disable();
  detail::drain_destroys();
  hook.enable();
  detail::drain_destroys();

  CHECK(trace == Trace{});
}

TEST_CASE_FIXTURE(ContextTest, "a destroy that no hook wants when it happens is lost for ever") {
  Trace trace;
  auto early = create_hook({.before = [](AsyncId) {}});
  auto late = create_hook({.destroy = [&](AsyncId) { trace.push_back("late"); }});
  early.enable();

  make_and_drop();
  late.enable();
  detail::drain_destroys();

  CHECK(trace == Trace{});
}

TEST_CASE_FIXTURE(ContextTest,
                  "every hook enabled at the drain hears a destroy that was queued before") {
  Trace trace;
  auto early = create_hook({.destroy = [&](AsyncId) { trace.push_back("early"); }});
  auto late = create_hook({.destroy = [&](AsyncId) { trace.push_back("late"); }});
  early.enable();

  make_and_drop();
  late.enable();
  detail::drain_destroys();

  CHECK(trace == Trace{"early", "late"});
}

TEST_CASE_FIXTURE(ContextTest, "destroys queued by destroy hooks are delivered in the same drain") {
  HookRecorder recorder;
  int left = 3;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    if (left-- > 0) make_and_drop();
  }});
  hook.enable();

  make_and_drop();
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "destroy 2", "init JOB 3 0", "destroy 3",
                                  "init JOB 4 0", "destroy 4", "init JOB 5 0", "destroy 5"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a second emit_destroy inside the destroy hook is delivered, without a loop") {
  Trace trace;
  AsyncResource job("JOB", {.manual_destroy = true});
  int calls = 0;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    if (++calls == 1) job.emit_destroy();
  }});
  hook.enable();

  job.emit_destroy();
  detail::drain_destroys();

  CHECK(calls == 2);
}

TEST_CASE_FIXTURE(ContextTest,
                  "a drain inside a destroy hook delivers what is new and nothing twice") {
  HookRecorder recorder;
  bool nested = false;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    if (std::exchange(nested, true)) return;
    make_and_drop();
    detail::drain_destroys();
    recorder.note("inner drain is over");
  }});
  hook.enable();
  make_and_drop();
  make_and_drop();
  recorder.take();

  detail::drain_destroys();

  CHECK(recorder.trace() ==
        Trace{"destroy 2", "init JOB 4 0", "destroy 4", "inner drain is over", "destroy 3"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook disabled in one destroy hears none of the rest") {
  int heard = 0;
  AsyncHook hook = create_hook({});
  hook = create_hook({.destroy = [&](AsyncId) {
    ++heard;
    hook.disable();
  }});
  hook.enable();

  for (int i = 0; i < 3; ++i) make_and_drop();
  detail::drain_destroys();

  CHECK(heard == 1);
}

TEST_CASE_FIXTURE(ContextTest, "forty thousand destroys arrive in order") {
  constexpr int kCount = 40'000;
  int heard = 0;
  int disordered = 0;
  AsyncId last = 0;
  auto hook = create_hook({.destroy = [&](AsyncId id) {
    ++heard;
    disordered += id <= std::exchange(last, id);
  }});
  hook.enable();

  for (int i = 0; i < kCount; ++i) make_and_drop();
  CHECK(heard == 0);
  detail::drain_destroys();

  CHECK(heard == kCount);
  CHECK(disordered == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
