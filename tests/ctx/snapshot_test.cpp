#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/snapshot.h>
#include <weft/ctx/unique_function.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::Mortal;
using test::seen;
using test::Trace;

TEST_SUITE_BEGIN("ctx/snapshot");

TEST_CASE_FIXTURE(ContextTest, "a snapshot runs functions in the context of its moment") {
  const AsyncLocal<std::string> local;
  std::optional<Snapshot> snapshot;
  Trace trace;

  local.run("123", [&] { snapshot.emplace(Snapshot::capture()); });
  local.run("321", [&] {
    (*snapshot)([&] { trace.push_back(seen(local)); });
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"123", "321"});
}

TEST_CASE_FIXTURE(ContextTest, "a bound function fits into a std::function") {
  const AsyncLocal<std::string> local;
  std::function<std::string(std::string)> bound;

  local.run("A", [&] { bound = bind([&](std::string text) { return text + seen(local); }); });
  const std::function<std::string(std::string)> copy = bound;

  CHECK(bound("first ") == "first A");
  CHECK(copy("second ") == "second A");
}

TEST_CASE_FIXTURE(ContextTest, "copies of a snapshot are one resource, which ends with the last") {
  Trace trace;
  const AsyncLocal<Mortal> local;
  std::optional<Snapshot> first;
  local.run(Mortal(trace, "A"), [&] { first.emplace(Snapshot::capture()); });

  std::optional<Snapshot> second(first);
  CHECK(second->async_id() == first->async_id());
  first.reset();
  CHECK(trace.empty());
  second.reset();

  CHECK(trace == Trace{"A dies"});
}

TEST_CASE_FIXTURE(ContextTest, "a snapshot captures every local at once") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;
  first.enter_with("A");
  second.enter_with("B");

  const auto snapshot = Snapshot::capture();
  first.enter_with("C");
  second.disable();

  CHECK(snapshot([&] { return seen(first) + seen(second); }) == "AB");
}

TEST_CASE_FIXTURE(ContextTest, "a snapshot passes arguments, results and exceptions") {
  const auto snapshot = Snapshot::capture();

  CHECK(snapshot([](int a, int b) { return a * b; }, 6, 7) == 42);
  CHECK(*snapshot([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(1)) == 1);
  CHECK_THROWS_WITH(snapshot([] { throw std::runtime_error("out"); }), "out");
}

TEST_CASE_FIXTURE(ContextTest, "a snapshot is a resource of type bound-anonymous-fn") {
  HookRecorder recorder;

  {
    const auto snapshot = Snapshot::capture();
    snapshot([&] { recorder.note(recorder.name(snapshot.async_id()) + " runs"); });
  }
  detail::drain_destroys();

  CHECK(recorder.trace() ==
        Trace{"init bound-anonymous-fn 2 1", "before 2", "2 runs", "after 2", "destroy 2"});
}

TEST_CASE_FIXTURE(ContextTest, "a bound function runs where bind was called") {
  const AsyncLocal<std::string> local;
  UniqueFunction<std::string(std::string)> bound;

  local.run("A", [&] { bound = bind([&](std::string text) { return text + seen(local); }); });

  CHECK(bound("in ") == "in A");
  local.run("B", [&] { CHECK(bound("still in ") == "still in A"); });
}

TEST_CASE_FIXTURE(ContextTest, "a bound function keeps its state and owns what only moves") {
  auto bound = bind([owner = std::make_unique<int>(0)](int& out) mutable -> int& {
    out = ++*owner;
    return out;
  });
  int count = 0;

  int& same = bound(count);
  bound(count);

  CHECK(&same == &count);
  CHECK(count == 2);
}

TEST_CASE_FIXTURE(ContextTest, "waiters in a pool are called in their own context when they bind") {
  const AsyncLocal<std::string> request;
  std::vector<UniqueFunction<void()>> waiters;
  Trace trace;

  request.run("waiter", [&] {
    waiters.push_back(bind([&] { trace.push_back("bound sees " + seen(request)); }));
    waiters.push_back([&] { trace.push_back("naive sees " + seen(request)); });
  });
  request.run("releaser", [&] {
    for (auto& waiter : waiters) waiter();
  });

  CHECK(trace == Trace{"bound sees waiter", "naive sees releaser"});
}

TEST_CASE_FIXTURE(ContextTest, "a snapshot keeps the values of its context until it dies") {
  const AsyncLocal<Mortal> local;
  Trace trace;
  std::optional<Snapshot> snapshot;

  local.run(Mortal(trace, "A"), [&] { snapshot.emplace(Snapshot::capture()); });
  Snapshot moved = *std::move(snapshot);
  snapshot.reset();
  trace.push_back("moved");
  snapshot.emplace(std::move(moved));
  snapshot.reset();

  CHECK(trace == Trace{"moved", "A dies"});
}

TEST_CASE_FIXTURE(ContextTest, "detached runs in the empty context and restores the caller's") {
  const AsyncLocal<std::string> local;
  const AsyncLocal<std::string> defaulted({.default_value = "default"});
  Trace trace;

  local.run("A", [&] {
    defaulted.run("B", [&] {
      trace.push_back(detached([&](int n) { return seen(local) + std::to_string(n); }, 1));
      detached([&] { trace.push_back(seen(defaulted)); });
      CHECK_THROWS_WITH(detached([] { throw std::runtime_error("out"); }), "out");
      trace.push_back(seen(local) + seen(defaulted));
    });
  });

  CHECK(trace == Trace{"none1", "default", "AB"});
}

TEST_CASE_FIXTURE(ContextTest, "work started detached keeps no value alive") {
  const AsyncLocal<Mortal> local;
  Trace trace;
  std::optional<AsyncResource> cache_timer;

  local.run(Mortal(trace, "A"), [&] { detached([&] { cache_timer.emplace("Timeout"); }); });
  trace.push_back("request is over");

  CHECK(trace == Trace{"A dies", "request is over"});
}

TEST_CASE_FIXTURE(ContextTest, "detached leaves the running resource as it is") {
  AsyncResource resource("JOB");

  resource.run_in_async_scope(
      [&] { detached([&] { CHECK(execution_async_resource() == &resource); }); });
}

TEST_CASE_FIXTURE(ContextTest, "live_frames counts the contexts that something holds") {
  const AsyncLocal<int> number;
  const std::size_t before = live_frames();

  auto bound = number.run(1, [] { return std::make_unique<Snapshot>(Snapshot::capture()); });
  CHECK(live_frames() == before + 1);

  bound.reset();
  CHECK(live_frames() == before);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
