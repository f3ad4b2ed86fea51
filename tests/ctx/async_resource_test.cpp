#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/resource_access.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::seen;
using test::Trace;

TEST_SUITE_BEGIN("ctx/async_resource");

TEST_CASE_FIXTURE(ContextTest, "a resource shows its type, its id and its trigger") {
  const AsyncResource resource("JOB");

  CHECK(resource.type() == "JOB");
  CHECK(resource.async_id() > execution_async_id());
  CHECK(resource.trigger_async_id() == execution_async_id());
}

TEST_CASE_FIXTURE(ContextTest, "the life of a resource is init, before and after, destroy") {
  HookRecorder recorder;

  {
    AsyncResource resource("JOB");
    resource.run_in_async_scope([&] { recorder.note("running"); });
    resource.run_in_async_scope([&] { recorder.note("again"); });
  }
  recorder.note("dropped");
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "before 2", "running", "after 2", "before 2",
                                  "again", "after 2", "dropped", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "the trigger is the running resource or the one that is given") {
  HookRecorder recorder;

  AsyncResource parent("PARENT");
  parent.run_in_async_scope([] { const AsyncResource child("CHILD"); });
  const AsyncResource other("OTHER", {.trigger = parent.async_id()});
  const AsyncResource orphan("ORPHAN", {.trigger = 0});

  CHECK(recorder.trace() == Trace{"init PARENT 2 1", "before 2", "init CHILD 3 2", "after 2",
                                  "init OTHER 4 2", "init ORPHAN 5 0"});
}

TEST_CASE_FIXTURE(ContextTest, "a call through a resource sees the context in which it was made") {
  const AsyncLocal<std::string> local;
  std::optional<AsyncResource> resource;
  Trace trace;

  local.run("made", [&] { resource.emplace("JOB"); });
  local.run("called", [&] {
    resource->run_in_async_scope([&] { trace.push_back(seen(local)); });
    trace.push_back(seen(local));
  });
  resource->run_in_async_scope([&] { trace.push_back(seen(local)); });

  CHECK(trace == Trace{"made", "called", "made"});
}

TEST_CASE_FIXTURE(ContextTest, "a call passes arguments and returns what the function returns") {
  AsyncResource resource("JOB");
  int number = 0;

  CHECK(resource.run_in_async_scope([](int a, int b) { return a + b; }, 2, 3) == 5);
  int& same = resource.run_in_async_scope([&](int& n) -> int& { return n; }, number);
  CHECK(&same == &number);
  CHECK(*resource.run_in_async_scope([](std::unique_ptr<int> p) { return p; },
                                     std::make_unique<int>(6)) == 6);
}

TEST_CASE_FIXTURE(ContextTest,
                  "an exception passes through behind after and leaves no scope open") {
  HookRecorder recorder;
  const AsyncLocal<std::string> local;
  AsyncResource resource("JOB");
  const AsyncId before = execution_async_id();

  try {
    resource.run_in_async_scope([&] {
      local.enter_with("A");
      throw std::runtime_error("failed");
    });
  } catch (const std::runtime_error& error) {
    recorder.note(error.what());
  }

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "before 2", "after 2", "failed"});
  CHECK(execution_async_id() == before);
  CHECK(seen(local) == "none");
}

TEST_CASE_FIXTURE(ContextTest, "bind returns a callable that runs through the resource") {
  HookRecorder recorder;
  AsyncResource resource("JOB");

  auto bound = resource.bind([count = 0](int by) mutable { return count += by; });

  CHECK(bound(1) == 1);
  CHECK(bound(2) == 3);
  CHECK(recorder.trace() == Trace{"init JOB 2 1", "before 2", "after 2", "before 2", "after 2"});
}

TEST_CASE_FIXTURE(ContextTest, "a bound callable may own what only moves") {
  AsyncResource resource("JOB");

  auto bound = resource.bind(
      [owner = std::make_unique<int>(3)](std::unique_ptr<int> more) { return *owner + *more; });

  CHECK(bound(std::make_unique<int>(4)) == 7);
}

TEST_CASE_FIXTURE(ContextTest, "emit_destroy takes the place of the destroy that dropping queues") {
  HookRecorder recorder;

  {
    AsyncResource resource("JOB");
    CHECK(&resource.emit_destroy() == &resource);
    resource.run_in_async_scope([&] { recorder.note("still callable"); });
  }
  detail::drain_destroys();

  CHECK(recorder.trace() ==
        Trace{"init JOB 2 1", "before 2", "still callable", "after 2", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "emit_destroy twice gives two events") {
  HookRecorder recorder;

  { AsyncResource("JOB").emit_destroy().emit_destroy(); }
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init JOB 2 1", "destroy 2", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a resource with manual_destroy emits destroy by emit_destroy only") {
  HookRecorder recorder;

  { const AsyncResource silent("SILENT", {.manual_destroy = true}); }
  { AsyncResource("SAID", {.manual_destroy = true}).emit_destroy(); }
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init SILENT 2 1", "init SAID 3 1", "destroy 3"});
}

TEST_CASE_FIXTURE(ContextTest, "a resource that begins again has a new id and the context of now") {
  HookRecorder recorder;
  const AsyncLocal<std::string> local;
  AsyncResource pooled("PARSER");

  detail::ResourceAccess::end(pooled);
  local.run("second", [&] { pooled.async_reset(); });
  pooled.run_in_async_scope([&] { recorder.note(seen(local)); });
  detail::ResourceAccess::end(pooled);
  detail::ResourceAccess::end(pooled);
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init PARSER 2 1", "init PARSER 3 1", "before 3", "second",
                                  "after 3", "destroy 2", "destroy 3"});
}

TEST_CASE_FIXTURE(ContextTest, "a resource that ended keeps no value alive") {
  const AsyncLocal<test::Mortal> local;
  Trace trace;
  std::optional<AsyncResource> resource;

  local.run(test::Mortal(trace, "A"), [&] { resource.emplace("JOB"); });
  detail::ResourceAccess::end(*resource);
  trace.push_back("ended");
  resource.reset();

  CHECK(trace == Trace{"A dies", "ended"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
