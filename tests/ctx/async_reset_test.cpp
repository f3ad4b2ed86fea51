// Pooled objects: a resource that lives several times.
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::Mortal;
using test::seen;
using test::Trace;

TEST_SUITE_BEGIN("ctx/async_reset");

// A connection as a client's pool keeps it: used by one request, idle, used by the next.
class Connection {
 public:
  AsyncId async_id() const { return resource_.async_id(); }
  void take() { resource_.async_reset(); }
  void give_back() { resource_.retire(); }
  template <typename F>
  void deliver(F&& response) {
    resource_.run_in_async_scope(std::forward<F>(response));
  }

 private:
  AsyncResource resource_{"TCPWRAP"};
};

// Source: Node's tests http-agent-handle-reuse-serial, async-hooks-http-agent.
TEST_CASE_FIXTURE(ContextTest, "a pooled connection has an id for each use and none when idle") {
  HookRecorder recorder;
  std::vector<AsyncId> ids;
  {
    Connection connection;
    ids.push_back(connection.async_id());
    connection.deliver([&] { recorder.note("first"); });
    connection.give_back();
    CHECK(connection.async_id() == 0);
    connection.take();
    ids.push_back(connection.async_id());
    connection.deliver([&] { recorder.note("second"); });
  }
  detail::drain_destroys();

  CHECK(ids[0] != ids[1]);
  CHECK(recorder.trace() == Trace{"init TCPWRAP 2 1", "before 2", "first", "after 2",
                                  "init TCPWRAP 3 1", "before 3", "second", "after 3", "destroy 2",
                                  "destroy 3"});
}

// Source: Node's test async-local-storage-http-agent.
TEST_CASE_FIXTURE(ContextTest, "each use of a pooled connection sees the context of its taker") {
  const AsyncLocal<std::string> local;
  std::optional<Connection> connection;
  Trace trace;
  const auto note = [&] { trace.push_back(seen(local)); };

  local.run("first", [&] { connection.emplace(); });
  local.run("somebody", [&] { connection->deliver(note); });
  local.run("second", [&] { connection->take(); });
  local.run("somebody", [&] { connection->deliver(note); });
  connection->give_back();
  connection->take();
  connection->deliver(note);

  CHECK(trace == Trace{"first", "second", "none"});
}

TEST_CASE_FIXTURE(ContextTest, "a reset without retiring ends the life that was") {
  HookRecorder recorder;
  AsyncResource resource("PARSER");

  CHECK(&resource.async_reset() == &resource);
  resource.emit_destroy();
  resource.async_reset();  // the second life has ended already
  detail::drain_destroys();

  CHECK(recorder.trace() ==
        Trace{"init PARSER 2 1", "init PARSER 3 1", "init PARSER 4 1", "destroy 2", "destroy 3"});
}

TEST_CASE_FIXTURE(ContextTest, "the trigger of the next life is the running resource or given") {
  HookRecorder recorder;
  AsyncResource taker("REQUEST");
  AsyncResource pooled("TCPWRAP");

  taker.run_in_async_scope([&] { pooled.async_reset(); });
  CHECK(pooled.trigger_async_id() == taker.async_id());
  pooled.async_reset(AsyncId{0});
  CHECK(pooled.trigger_async_id() == 0);

  CHECK(recorder.trace() == Trace{"init REQUEST 2 1", "init TCPWRAP 3 1", "before 2",
                                  "init TCPWRAP 4 2", "after 2", "init TCPWRAP 5 0"});
}

TEST_CASE_FIXTURE(ContextTest, "a reset inside its own scope leaves the scope to the old life") {
  HookRecorder recorder;
  const AsyncLocal<std::string> local;
  std::optional<AsyncResource> resource;
  local.run("old", [&] { resource.emplace("TCPWRAP"); });
  const auto note = [&] {
    recorder.note(seen(local) + " " + recorder.name(execution_async_id()) +
                  (execution_async_resource() == &*resource ? " it" : " gone"));
  };

  resource->run_in_async_scope([&] {
    local.run("next", [&] { resource->async_reset(); });
    note();
  });
  resource->run_in_async_scope(note);
  resource.reset();
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init TCPWRAP 2 1", "before 2", "init TCPWRAP 3 2", "old 2 gone",
                                  "after 2", "before 3", "next 3 it", "after 3", "destroy 2",
                                  "destroy 3"});
}

TEST_CASE_FIXTURE(ContextTest, "a reset in an outer scope of its own is forgotten there too") {
  AsyncResource pooled("TCPWRAP");
  AsyncResource inner("INNER");
  AsyncResource* after_inner = &pooled;

  pooled.run_in_async_scope([&] {
    inner.run_in_async_scope([&] { pooled.async_reset(); });
    after_inner = execution_async_resource();
  });

  CHECK(after_inner == nullptr);
}

TEST_CASE_FIXTURE(ContextTest, "a life with manual_destroy ends with a reset as well") {
  HookRecorder recorder;
  {
    AsyncResource resource("MANUAL", {.manual_destroy = true});
    resource.async_reset();
  }
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init MANUAL 2 1", "init MANUAL 3 1", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "an idle resource keeps no value alive and dies silently") {
  HookRecorder recorder;
  const AsyncLocal<Mortal> local;
  Trace trace;
  std::optional<AsyncResource> pooled;

  local.run(Mortal(trace, "request"), [&] { pooled.emplace("TCPWRAP"); });
  pooled->retire();
  pooled->retire();
  trace.push_back("retired");
  pooled.reset();
  detail::drain_destroys();

  CHECK(trace == Trace{"request dies", "retired"});
  CHECK(recorder.trace() == Trace{"init TCPWRAP 2 1", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "a fork that throws leaves the life that was") {
  const AsyncLocal<int> local({.fork = [](const int&) -> int { throw std::runtime_error("no"); }});
  AsyncResource resource("TCPWRAP");
  const AsyncId id = resource.async_id();

  CHECK_THROWS_AS(local.run(1, [&] { resource.async_reset(); }), std::runtime_error);

  CHECK(resource.async_id() == id);
}

TEST_CASE_FIXTURE(ContextTest, "a resource that its old context owns is reset, then goes with it") {
  struct Pooled {
    AsyncResource resource{"POOLED"};
  };
  const AsyncLocal<std::shared_ptr<std::unique_ptr<Pooled>>> request;
  Pooled* pooled = nullptr;
  request.run(std::make_shared<std::unique_ptr<Pooled>>(), [&] {
    *request.value() = std::make_unique<Pooled>();
    pooled = request.value()->get();
  });
  const HookRecorder recorder;
  const std::int64_t frames = detail::thread_state.live_frames;

  pooled->resource.async_reset();

  CHECK(detail::thread_state.live_frames == frames - 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
