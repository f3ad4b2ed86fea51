#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::Trace;

// A hook of all five events, whose lines begin with `name`.
AsyncHook named_hook(Trace& trace, const std::string& name) {
  const auto says = [&trace, name](const char* event) {
    return [&trace, line = name + " " + event](AsyncId) { trace.push_back(line); };
  };
  return create_hook({
      .init = [init = says("init")](AsyncId id, std::string_view, AsyncId,
                                    AsyncResource&) mutable { init(id); },
      .before = says("before"),
      .after = says("after"),
      .destroy = says("destroy"),
      .promise_resolve = says("resolve"),
  });
}

// One resource's life, with every event.
void live_once() {
  {
    AsyncResource job("JOB");
    job.run_in_async_scope([&] { detail::emit_promise_resolve(job.async_id()); });
  }
  detail::drain_destroys();
}

TEST_SUITE_BEGIN("ctx/hooks");

TEST_CASE_FIXTURE(ContextTest, "a hook that is not enabled sees nothing") {
  Trace trace;
  const auto hook = named_hook(trace, "A");

  live_once();

  CHECK(trace == Trace{});
  CHECK(detail::thread_state.hook_mask == 0);
}

TEST_CASE_FIXTURE(ContextTest, "hooks run in the order they were enabled, for every event") {
  Trace trace;
  auto first = named_hook(trace, "A");
  auto second = named_hook(trace, "B");

  second.enable();
  first.enable();
  live_once();

  CHECK(trace == Trace{"B init", "A init", "B before", "A before", "B resolve", "A resolve",
                       "B after", "A after", "B destroy", "A destroy"});
}

TEST_CASE_FIXTURE(ContextTest, "enable and disable are idempotent and return the hook") {
  Trace trace;
  auto hook = named_hook(trace, "A");

  CHECK(&hook.enable().enable() == &hook);
  const AsyncResource seen_once("JOB");
  CHECK(&hook.disable().disable() == &hook);
  const AsyncResource unseen("JOB");
  hook.enable();
  const AsyncResource seen_again("JOB");

  CHECK(trace == Trace{"A init", "A init"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook enabled again runs last") {
  Trace trace;
  auto first = named_hook(trace, "A");
  auto second = named_hook(trace, "B");
  first.enable();
  second.enable();

  first.disable().enable();
  const AsyncResource job("JOB");

  CHECK(trace == Trace{"B init", "A init"});
}

TEST_CASE_FIXTURE(ContextTest, "members left empty are not called") {
  Trace trace;
  auto none = create_hook({});
  auto before = create_hook({.before = [&](AsyncId) { trace.push_back("before"); }});
  none.enable();
  before.enable();

  live_once();

  CHECK(trace == Trace{"before"});
  CHECK(detail::thread_state.hook_mask == detail::kBeforeBit);
}

TEST_CASE_FIXTURE(ContextTest, "init gives the resource with its ids and type in place") {
  Trace trace;
  AsyncResource* seen = nullptr;
  auto hook = create_hook(
      {.init = [&](AsyncId id, std::string_view type, AsyncId trigger, AsyncResource& resource) {
        seen = &resource;
        trace.push_back(resource.async_id() == id ? "id" : "other id");
        trace.push_back(resource.trigger_async_id() == trigger ? "trigger" : "other trigger");
        trace.push_back(std::string(resource.type()));
        trace.push_back(std::string(type));
      }});
  hook.enable();

  const AsyncResource job("JOB");

  CHECK(seen == &job);
  CHECK(trace == Trace{"id", "trigger", "JOB", "JOB"});
}

TEST_CASE_FIXTURE(ContextTest, "init runs as its creator") {
  HookRecorder recorder;
  AsyncResource parent("PARENT");
  auto hook = create_hook({.init = [&](AsyncId, std::string_view, AsyncId, AsyncResource&) {
    recorder.note("init runs in " + recorder.name(execution_async_id()));
  }});
  hook.enable();

  const AsyncResource first("FIRST");
  parent.run_in_async_scope([] { const AsyncResource second("SECOND"); });

  CHECK(recorder.trace() == Trace{"init PARENT 2 1", "init FIRST 3 1", "init runs in 1", "before 2",
                                  "init SECOND 4 2", "init runs in 2", "after 2"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a hook enabled late sees the rest of the lives of older resources") {
  std::optional<AsyncResource> job(std::in_place, "JOB");
  std::optional<HookRecorder> recorder;

  job->run_in_async_scope([&] { recorder.emplace(); });
  job->run_in_async_scope([&] { detail::emit_promise_resolve(job->async_id()); });
  job.reset();
  detail::drain_destroys();

  CHECK(recorder->trace() ==
        Trace{"after ?2", "before ?2", "resolve ?2", "after ?2", "destroy ?2"});
}

TEST_CASE_FIXTURE(ContextTest, "dropping a hook disables it") {
  Trace trace;
  std::optional<AsyncHook> hook(named_hook(trace, "A"));
  hook->enable();

  hook.reset();
  live_once();

  CHECK(trace == Trace{});
}

TEST_CASE_FIXTURE(ContextTest, "a hook that moves stays enabled and is dropped once") {
  Trace trace;
  auto original = named_hook(trace, "A");
  original.enable();

  {
    const AsyncHook moved = std::move(original);
    const AsyncResource seen("JOB");
  }
  const AsyncResource unseen("JOB");

  CHECK(trace == Trace{"A init"});
}

TEST_CASE_FIXTURE(ContextTest, "assigning a hook disables the one that was held") {
  Trace trace;
  auto held = named_hook(trace, "A");
  auto other = named_hook(trace, "B");
  held.enable();
  other.enable();

  held = std::move(other);
  const AsyncResource job("JOB");
  AsyncHook& same = held;
  held = std::move(same);
  const AsyncResource second("JOB");

  CHECK(trace == Trace{"B init", "B init"});
}

TEST_CASE_FIXTURE(ContextTest, "what a hook owns dies with it") {
  Trace trace;

  {
    auto hook = create_hook({.before = [held = test::Mortal(trace, "held")](AsyncId) {}});
    hook.enable();
    trace.push_back("enabled");
  }

  CHECK(trace == Trace{"enabled", "held dies"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook belongs to the thread that enables it") {
  Trace trace;
  auto hook = named_hook(trace, "A");
  hook.enable();

  std::thread([] { live_once(); }).join();

  CHECK(trace == Trace{});
}

TEST_CASE_FIXTURE(ContextTest, "a hook may be dropped after the hooks of its thread are gone") {
  Trace trace;
  std::optional<AsyncHook> hook(named_hook(trace, "A"));

  std::thread([&] {
    // Made first, so it dies after what hooks keep for the thread: as a static would.
    thread_local std::optional<AsyncHook> lasting;
    lasting.emplace(create_hook({.before = [](AsyncId) {}}));
    lasting->enable();
  }).join();
  hook.reset();

  CHECK(trace == Trace{});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a recorder hides types and leaves their children to their trigger") {
  HookRecorder recorder({.hidden_types = {"TickObject"}});
  AsyncResource job("JOB");

  job.run_in_async_scope([] {
    AsyncResource tick("TickObject");
    tick.run_in_async_scope([] { const AsyncResource child("CHILD"); });
  });
  detail::drain_destroys();

  CHECK(recorder.trace() ==
        Trace{"init JOB 2 1", "before 2", "init CHILD 3 2", "after 2", "destroy 3"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
