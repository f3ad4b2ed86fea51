// Scopes inside each other, left by a switch, and resources that die in them.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/snapshot.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::seen;
using test::Trace;

TEST_SUITE_BEGIN("ctx/call_scope");

TEST_CASE_FIXTURE(ContextTest, "nested calls emit nested pairs") {
  HookRecorder recorder;
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER");

  outer.run_in_async_scope(
      [&] { inner.run_in_async_scope([&] { outer.run_in_async_scope([] {}); }); });

  CHECK(recorder.trace() == Trace{"init OUTER 2 1", "init INNER 3 1", "before 2", "before 3",
                                  "before 2", "after 2", "after 3", "after 2"});
}

TEST_CASE_FIXTURE(ContextTest, "a thousand nested calls have the right ids down and up") {
  int wrong = 0;

  const auto nest = [&](const auto& self, int left) -> void {
    if (left == 0) return;
    AsyncResource resource("JOB");
    const AsyncId outer = execution_async_id();
    wrong += resource.trigger_async_id() != outer;
    resource.run_in_async_scope([&] {
      wrong += execution_async_id() != resource.async_id() || trigger_async_id() != outer;
      self(self, left - 1);
      wrong += execution_async_id() != resource.async_id() || trigger_async_id() != outer;
    });
    wrong += execution_async_id() != outer;
  };
  nest(nest, 1000);

  CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(ContextTest,
                  "hooks see the resource's context around the call, init the creator's") {
  const AsyncLocal<std::string> local;
  std::optional<AsyncResource> resource;
  Trace trace;
  auto hook = create_hook({
      .init = [&](AsyncId, std::string_view, AsyncId,
                  AsyncResource&) { trace.push_back("init " + seen(local)); },
      .before = [&](AsyncId) { trace.push_back("before " + seen(local)); },
      .after = [&](AsyncId) { trace.push_back("after " + seen(local)); },
  });
  hook.enable();

  local.run("creator", [&] { resource.emplace("JOB"); });
  local.run("caller", [&] { resource->run_in_async_scope([&] { local.enter_with("inside"); }); });

  CHECK(trace == Trace{"init creator", "before creator", "after inside"});
}

TEST_CASE_FIXTURE(ContextTest, "in before and after the running resource is the one of the event") {
  AsyncResource resource("JOB");
  Trace trace;
  const auto check = [&](AsyncId id) {
    trace.push_back(id == execution_async_id() && execution_async_resource() == &resource
                        ? "matches"
                        : "differs");
  };
  auto hook = create_hook({.before = check, .after = check});
  hook.enable();

  resource.run_in_async_scope([&] { check(resource.async_id()); });

  CHECK(trace == Trace{"matches", "matches", "matches"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a resource that dies in its own scope leaves its ids, not its pointer") {
  HookRecorder recorder;
  auto resource = std::make_unique<AsyncResource>("JOB");
  const AsyncId id = resource->async_id();

  resource->run_in_async_scope([&] {
    resource.reset();
    CHECK(execution_async_resource() == nullptr);
    CHECK(execution_async_id() == id);
  });
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "before 2", "after 2", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a resource that dies in a scope nested in its own is not returned to") {
  auto outer = std::make_unique<AsyncResource>("OUTER");
  AsyncResource middle("MIDDLE");
  AsyncResource inner("INNER");

  outer->run_in_async_scope([&] {
    middle.run_in_async_scope([&] {
      inner.run_in_async_scope([&] { outer.reset(); });
      CHECK(execution_async_resource() == &middle);
    });
    CHECK(execution_async_resource() == nullptr);
  });
}

TEST_CASE_FIXTURE(ContextTest,
                  "leaving a stack emits the afters inside out, entering the befores back") {
  HookRecorder recorder;
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER");

  outer.run_in_async_scope([&] {
    inner.run_in_async_scope([&] {
      detail::emit_leave(*detail::thread_state.execution);
      recorder.note("away");
      detail::emit_enter(*detail::thread_state.execution);
    });
  });

  CHECK(recorder.trace() == Trace{"init OUTER 2 1", "init INNER 3 1",       //
                                  "before 2", "before 3",                   //
                                  "after 3", "after 2", "after 1", "away",  //
                                  "before 1", "before 2", "before 3",       //
                                  "after 3", "after 2"});
}

TEST_CASE_FIXTURE(ContextTest, "while a stack is left each after sees its own resource") {
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER");
  int wrong = 0;
  const auto check = [&](AsyncId id) {
    const AsyncResource* const running = execution_async_resource();
    wrong += execution_async_id() != id;
    wrong += running != nullptr && running->async_id() != id;
  };
  auto hook = create_hook({.before = check, .after = check});
  hook.enable();

  outer.run_in_async_scope([&] {
    inner.run_in_async_scope([&] {
      detail::emit_leave(*detail::thread_state.execution);
      CHECK(execution_async_resource() == &inner);
      detail::emit_enter(*detail::thread_state.execution);
      CHECK(execution_async_resource() == &inner);
      CHECK(trigger_async_id() == inner.trigger_async_id());
    });
  });

  CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(ContextTest,
                  "what a hook sets with enter_with while a stack is left or entered stays") {
  const AsyncLocal<std::string> local;
  AsyncResource resource("JOB");
  Trace trace;
  auto hook = create_hook({.before = [&](AsyncId) { local.enter_with("before"); },
                           .after = [&](AsyncId) { local.enter_with("after"); }});

  resource.run_in_async_scope([&] {
    local.enter_with("callback");
    hook.enable();
    detail::emit_leave(*detail::thread_state.execution);
    trace.push_back(seen(local));
    detail::emit_enter(*detail::thread_state.execution);
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"after", "before"});
  CHECK(seen(local) == "none");
}

TEST_CASE_FIXTURE(ContextTest, "a scope may be entered in another frame than its resource's") {
  const AsyncLocal<std::string> local;
  AsyncResource handle("TCPWRAP");
  detail::FrameRef at_the_call;
  local.run("reader",
            [&] { at_the_call = detail::FrameRef::share(detail::thread_state.execution->frame); });

  {
    const detail::CallScope scope(handle, std::move(at_the_call));
    CHECK(seen(local) == "reader");
    CHECK(execution_async_resource() == &handle);
  }

  CHECK(seen(local) == "none");
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
