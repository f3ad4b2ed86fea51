// How much of the context each way of setting a value gives back: run and scope one
// local, calls through a resource the whole frame. And when values die.
#include <memory>
#include <optional>
#include <string>
#include <utility>

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

TEST_SUITE_BEGIN("ctx/async_local_restore");

TEST_CASE_FIXTURE(ContextTest, "enter_with inside run of another local survives it") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;

  first.run("A", [&] { second.enter_with("B"); });

  CHECK(seen(first) == "none");
  CHECK(seen(second) == "B");
}

TEST_CASE_FIXTURE(ContextTest,
                  "however often enter_with was called inside, run keeps the last value") {
  // Frames come and go inside: none of them may be taken for the one which run made.
  const AsyncLocal<int> second;
  const AsyncLocal<std::string> first;
  int calls = 0;
  SUBCASE("once") {
    calls = 1;
  }
  SUBCASE("twice") {
    calls = 2;
  }
  SUBCASE("ten times") {
    calls = 10;
  }

  first.run("A", [&] {
    for (int i = 1; i <= calls; ++i) second.enter_with(i);
  });

  CHECK(seen(first) == "none");
  CHECK(second.value() == calls);
}

TEST_CASE_FIXTURE(ContextTest, "a scope that is moved restores once, where it ends at last") {
  const AsyncLocal<std::string> local;
  const auto enter = [&local] {
    auto made = local.scope("A");
    return std::optional(std::move(made));
  };

  auto scope = enter();
  CHECK(seen(local) == "A");
  scope.reset();

  CHECK(seen(local) == "none");
}

TEST_CASE_FIXTURE(ContextTest, "exit without a function hides value and default until run ends") {
  const AsyncLocal<std::string> local({.default_value = "default"});

  local.run("A", [&] {
    local.exit();
    CHECK(local.get() == nullptr);
  });

  CHECK(seen(local) == "default");
}

TEST_CASE_FIXTURE(ContextTest, "enter_with inside run of the same local ends with it") {
  const AsyncLocal<std::string> local;

  local.enter_with("outer");
  local.run("A", [&] { local.enter_with("B"); });

  CHECK(seen(local) == "outer");
}

TEST_CASE_FIXTURE(ContextTest, "disable of another local inside run survives it") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;

  second.enter_with("B");
  first.run("A", [&] { second.disable(); });

  CHECK(seen(first) == "none");
  CHECK(seen(second) == "none");
}

TEST_CASE_FIXTURE(ContextTest, "a scope sets the value until it dies") {
  const AsyncLocal<std::string> local;
  Trace trace;

  {
    const auto outer = local.scope("A");
    trace.push_back(seen(local));
    {
      const auto inner = local.scope("B");
      trace.push_back(seen(local));
    }
    trace.push_back(seen(local));
  }
  trace.push_back(seen(local));

  CHECK(trace == Trace{"A", "B", "A", "none"});
}

TEST_CASE_FIXTURE(ContextTest, "enter_with of another local inside a scope survives it") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;

  {
    const auto scope = first.scope("A");
    second.enter_with("B");
    first.enter_with("C");
  }

  CHECK(seen(first) == "none");
  CHECK(seen(second) == "B");
}

TEST_CASE_FIXTURE(ContextTest, "a scope restores a default that exit had hidden as hidden") {
  const AsyncLocal<std::string> local({.default_value = "default"});
  const AsyncLocal<std::string> other;
  Trace trace;

  local.exit([&] {
    {
      const auto scope = local.scope("A");
      other.enter_with("B");
    }
    trace.push_back(seen(local));
  });
  trace.push_back(seen(local));

  CHECK(trace == Trace{"none", "default"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a scope that ends before an inner one leaves the inner's end last") {
  const AsyncLocal<std::string> local;
  Trace trace;
  struct Held {
    AsyncLocal<std::string>::Scope scope;
    Held(const AsyncLocal<std::string>& of, const char* value) : scope(of.scope(value)) {}
  };
  auto first = std::make_unique<Held>(local, "C");
  auto second = std::make_unique<Held>(local, "D");

  first.reset();
  trace.push_back(seen(local));
  second.reset();
  trace.push_back(seen(local));

  CHECK(trace == Trace{"none", "C"});
}

TEST_CASE_FIXTURE(ContextTest, "a call through a resource restores the whole frame") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;
  AsyncResource resource("JOB");
  auto bound = bind([&] { second.enter_with("bound"); });
  const auto snapshot = Snapshot::capture();
  Trace trace;

  first.run("A", [&] {
    resource.run_in_async_scope([&] { second.enter_with("resource"); });
    trace.push_back(seen(first) + " " + seen(second));
    bound();
    trace.push_back(seen(first) + " " + seen(second));
    snapshot([&] { second.enter_with("snapshot"); });
    trace.push_back(seen(first) + " " + seen(second));
    detached([&] { second.enter_with("detached"); });
    trace.push_back(seen(first) + " " + seen(second));
  });

  CHECK(trace == Trace{"A none", "A none", "A none", "A none"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "what enter_with set in one call of a resource the next does not see") {
  const AsyncLocal<std::string> local;
  AsyncResource interval("INTERVAL");
  Trace trace;

  for (int i = 0; i < 2; ++i) {
    interval.run_in_async_scope([&] {
      trace.push_back(seen(local));
      local.enter_with("sticky");
      trace.push_back(seen(local));
    });
  }

  CHECK(trace == Trace{"none", "sticky", "none", "sticky"});
}

TEST_CASE_FIXTURE(ContextTest, "enter_with lasts until its execution ends and reaches no other") {
  const AsyncLocal<std::string> local;
  detail::Execution fiber;
  Trace trace;

  detail::Execution* const main = std::exchange(detail::thread_state.execution, &fiber);
  local.enter_with("fiber");
  detail::thread_state.execution = main;
  trace.push_back(seen(local));
  detail::thread_state.execution = &fiber;
  trace.push_back(seen(local));
  detail::thread_state.execution = main;
  detail::FrameRef::adopt(fiber.frame);

  CHECK(trace == Trace{"none", "fiber"});
}

TEST_CASE_FIXTURE(ContextTest, "a value dies with the end of its run") {
  const AsyncLocal<Mortal> local;
  Trace trace;

  local.run(Mortal(trace, "A"), [&] {
    local.run(Mortal(trace, "B"), [&] { trace.push_back("inside"); });
    trace.push_back("between");
  });
  trace.push_back("outside");

  CHECK(trace == Trace{"inside", "B dies", "between", "A dies", "outside"});
}

TEST_CASE_FIXTURE(ContextTest, "a value dies with the last frame that holds it") {
  const AsyncLocal<Mortal> local;
  Trace trace;
  std::optional<AsyncResource> first;
  std::optional<AsyncResource> second;

  local.run(Mortal(trace, "A"), [&] {
    first.emplace("JOB");
    second.emplace("JOB");
  });
  trace.push_back("run is over");
  first.reset();
  trace.push_back("first is gone");
  second.reset();

  CHECK(trace == Trace{"run is over", "first is gone", "A dies"});
}

TEST_CASE_FIXTURE(ContextTest, "a value that enter_with replaces dies, unless captured") {
  const AsyncLocal<Mortal> local;
  Trace trace;

  local.enter_with(Mortal(trace, "A"));
  local.enter_with(Mortal(trace, "B"));
  {
    const auto snapshot = Snapshot::capture();
    local.enter_with(Mortal(trace, "C"));
    trace.push_back("snapshot shows " + snapshot([&] { return local.get()->name(); }));
  }
  local.disable();

  CHECK(trace == Trace{"A dies", "snapshot shows B", "B dies", "C dies"});
}

TEST_CASE_FIXTURE(ContextTest, "the destructor of a value sees the context its end restores") {
  struct Looking {
    const AsyncLocal<std::string>* local;
    Trace* trace;
    Looking(const AsyncLocal<std::string>& of, Trace& into) : local(&of), trace(&into) {}
    Looking(Looking&& other) noexcept
        : local(other.local), trace(std::exchange(other.trace, nullptr)) {}
    ~Looking() {
      if (trace != nullptr) trace->push_back(seen(*local));
    }
  };
  const AsyncLocal<std::string> local;
  const AsyncLocal<Looking> looking;
  Trace trace;

  local.run("outer",
            [&] { looking.run(Looking(local, trace), [&] { local.enter_with("inner"); }); });

  CHECK(trace == Trace{"inner"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
