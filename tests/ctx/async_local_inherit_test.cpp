// What new work receives of a value: the value itself, nothing, or a fork of it.
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/snapshot.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::ContextTest;
using test::Mortal;
using test::seen;
using test::Trace;

std::string child_of(const std::string& parent) {
  return parent + ".child";
}

TEST_SUITE_BEGIN("ctx/async_local_inherit");

TEST_CASE_FIXTURE(ContextTest, "an inherited value is the same object") {
  const AsyncLocal<std::string> local;

  local.run("A", [&] {
    const std::string* const here = local.get();
    AsyncResource job("JOB");
    job.run_in_async_scope([&] { CHECK(local.get() == here); });
  });
}

TEST_CASE_FIXTURE(ContextTest, "a private value is seen by the code that set it alone") {
  const AsyncLocal<std::string> transaction({.inherit = Inherit::kNo});
  const AsyncLocal<std::string> request;
  Trace trace;

  request.run("R", [&] {
    transaction.run("T", [&] {
      AsyncResource job("JOB");
      trace.push_back(seen(request) + " " + seen(transaction));
      job.run_in_async_scope([&] { trace.push_back(seen(request) + " " + seen(transaction)); });
      trace.push_back(seen(request) + " " + seen(transaction));
    });
  });

  CHECK(trace == Trace{"R T", "R none", "R T"});
}

TEST_CASE_FIXTURE(ContextTest, "work started under a private value sees the default") {
  const AsyncLocal<std::string> local({.default_value = "default", .inherit = Inherit::kNo});

  local.run("A", [&] {
    const auto snapshot = Snapshot::capture();
    CHECK(snapshot([&] { return seen(local); }) == "default");
  });
}

TEST_CASE_FIXTURE(ContextTest, "captured work does not keep a private value alive") {
  const AsyncLocal<Mortal> local({.inherit = Inherit::kNo});
  Trace trace;
  std::optional<AsyncResource> job;

  local.run(Mortal(trace, "T"), [&] { job.emplace("JOB"); });
  trace.push_back("run is over");
  job.reset();

  CHECK(trace == Trace{"T dies", "run is over"});
}

TEST_CASE_FIXTURE(ContextTest, "a fork makes the child's value when the work is made") {
  const AsyncLocal<std::string> span({.fork = child_of});
  Trace trace;

  span.run("A", [&] {
    AsyncResource job("JOB");
    *span.get() = "changed";
    trace.push_back(seen(span));
    job.run_in_async_scope([&] { trace.push_back(seen(span)); });
    job.run_in_async_scope([&] { trace.push_back(seen(span)); });
  });

  CHECK(trace == Trace{"changed", "A.child", "A.child"});
}

TEST_CASE_FIXTURE(ContextTest, "a fork forks again in the work of the work") {
  const AsyncLocal<std::string> span({.fork = child_of});
  Trace trace;

  span.run("A", [&] {
    auto outer = bind([&] {
      auto inner = bind([&] { trace.push_back(seen(span)); });
      inner();
      trace.push_back(seen(span));
    });
    outer();
  });

  CHECK(trace == Trace{"A.child.child", "A.child"});
}

TEST_CASE_FIXTURE(ContextTest, "a fork outlives its local in the values it made") {
  Trace trace;
  std::optional<AsyncLocal<Mortal>> local;
  local.emplace(AsyncLocal<Mortal>::Options{
      .fork = [&trace](const Mortal& parent) { return Mortal(trace, parent.name() + ".child"); }});

  {
    const auto scope = local->scope(Mortal(trace, "A"));
    local.reset();
    const auto snapshot = Snapshot::capture();
    trace.push_back("captured");
  }

  CHECK(trace == Trace{"captured", "A.child dies", "A dies"});
}

TEST_CASE_FIXTURE(ContextTest, "a fork that throws fails the call that starts the work") {
  const AsyncLocal<std::string> plain;
  const AsyncLocal<std::string> span({.fork = [](const std::string&) -> std::string {
    throw std::runtime_error("no more spans");
  }});

  plain.run("A", [&] {
    span.run("B", [&] {
      CHECK_THROWS_WITH(AsyncResource("JOB"), "no more spans");
      CHECK(seen(plain) == "A");
      CHECK(seen(span) == "B");
    });
  });
}

TEST_CASE_FIXTURE(ContextTest, "a hidden default stays hidden in work started there") {
  const AsyncLocal<std::string> local({.default_value = "default"});
  const AsyncLocal<std::string> span({.fork = child_of});

  local.exit([&] {
    span.run("A", [&] {
      const auto snapshot = Snapshot::capture();
      CHECK(snapshot([&] { return seen(local); }) == "none");
    });
  });
}

TEST_CASE_FIXTURE(ContextTest, "a local both private and forking is refused") {
  CHECK_THROWS_AS(AsyncLocal<std::string>({.inherit = Inherit::kNo, .fork = child_of}), UsageError);
}

TEST_CASE_FIXTURE(ContextTest, "a refused local takes no place in frames") {
  const detail::LocalId before = detail::acquire_local();
  detail::release_local(before);

  CHECK_THROWS_AS(AsyncLocal<std::string>({.inherit = Inherit::kNo, .fork = child_of}), UsageError);

  const detail::LocalId after = detail::acquire_local();
  detail::release_local(after);
  CHECK(after.slot == before.slot);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
