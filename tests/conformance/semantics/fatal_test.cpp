// What ends the process: hooks that throw, and scopes that end out of order.
#include <csignal>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/events.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

using test::ChildResult;
using test::Event;
using test::hook_at;
using test::kEvents;
using test::run_in_child;

// What a hook may throw, and how it is printed.
struct Thrown {
  std::string what;
  void (*throws)();
  std::string printed;
};

const Thrown kThrown[] = {
    {"an exception", [] { throw std::runtime_error("from a hook"); },
     "Error: from a hook (std::runtime_error)\n"},
    {"an int", [] { throw 7; }, "Error: an exception of type int\n"},
    {"a text", [] { throw "text"; }, "Error: 'text'\n"},
    {"a null pointer", [] { throw nullptr; }, "Error: a null pointer\n"},
    {"a null exception_ptr", [] { throw std::exception_ptr(); },
     "Error: an exception of type std::"},
};

// A program in which every event happens.
void live() {
  spawn([] {}).join();
  yield();
}

// Ends with status 3 when user code or the uncaught handler sees the error, and with
// `status_at_end` when nothing happens at all.
ChildResult run_with(AsyncHook& hook, HookErrors policy, int status_at_end) {
  return run_in_child([&] {
    RunOptions options;
    options.on_uncaught = [](const std::exception_ptr&) { std::_Exit(3); };
    options.hook_errors = policy;
    run(
        [&] {
          hook.enable();
          try {
            live();
          } catch (...) {
            std::_Exit(3);
          }
        },
        std::move(options));
    std::_Exit(status_at_end);
  });
}

TEST_SUITE_BEGIN("conformance/semantics/fatal");

TEST_CASE("whatever a hook throws, in whichever event, ends the process with status 1") {
  for (const Event event : kEvents) {
    for (const Thrown& thrown : kThrown) {
      CAPTURE(name(event));
      CAPTURE(thrown.what);
      auto hook = hook_at(event, thrown.throws);

      const ChildResult child = run_with(hook, HookErrors::kExit, 4);

      CHECK(child.status == 1);
      CHECK(child.errors.rfind(thrown.printed, 0) == 0);
    }
  }
}

TEST_CASE(
    "under the other policy, which Node lacks, the hook is disabled and the program ends well") {
  for (const Event event : kEvents) {
    for (const Thrown& thrown : kThrown) {
      CAPTURE(name(event));
      CAPTURE(thrown.what);
      auto hook = hook_at(event, thrown.throws);

      const ChildResult child = run_with(hook, HookErrors::kDisable, 4);

      CHECK(child.status == 4);
      CHECK(child.errors.find("is disabled") == child.errors.rfind("is disabled"));
    }
  }
}

TEST_CASE("no other hook and no callback runs after a hook has thrown") {
  const auto fail = [] { throw std::runtime_error("from a hook"); };
  for (const Event event : kEvents) {
    CAPTURE(name(event));
    auto failing = hook_at(event, fail);
    auto next = hook_at(event, [] { std::_Exit(5); });

    const ChildResult child = run_in_child([&] {
      run([&] {
        failing.enable();
        next.enable();
        live();
      });
    });

    CHECK(child.status == 1);
  }
}

TEST_CASE("a scope that ends before one inside it ends the process and names both") {
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER");

  const ChildResult child = run_in_child([&] {
    std::optional<detail::CallScope> first(std::in_place, outer, detail::FrameRef());
    const detail::CallScope second(inner, detail::FrameRef());
    first.reset();
  });

  CHECK(child.signal == SIGABRT);
  CHECK(child.errors == "weft: the scope of resource " + std::to_string(outer.async_id()) +
                            " ends while " + std::to_string(inner.async_id()) +
                            " runs inside it\n");
}

TEST_CASE("a scope left open inside another ends the process when the other ends") {
  const ChildResult child = run_in_child([] {
    AsyncResource outer("OUTER");
    AsyncResource inner("INNER");
    std::optional<detail::CallScope> left_open;
    outer.run_in_async_scope([&] { left_open.emplace(inner, detail::FrameRef()); });
  });

  CHECK(child.signal == SIGABRT);
  CHECK(child.says("runs inside it\n"));
}

TEST_CASE("a scope that is ended by another fiber ends the process") {
  const ChildResult child = run_in_child([] {
    run([] {
      AsyncResource job("JOB");
      auto scope = std::make_unique<detail::CallScope>(job, detail::FrameRef());
      spawn([&] { scope.reset(); }).join();
    });
  });

  CHECK(child.signal == SIGABRT);
  CHECK(child.says("weft: a scope ends on another stack than it was entered on, in "));
}

TEST_CASE("switching fibers inside scopes never looks like a wrong order") {
  int ended = 0;

  test::run([&] {
    for (int i = 0; i < 3; ++i) {
      spawn([&, i] {
        AsyncResource outer("OUTER");
        AsyncResource inner("INNER");
        outer.run_in_async_scope([&] {
          inner.run_in_async_scope([&] {
            for (int left = i; left >= 0; --left) yield();
          });
          yield();
        });
        ++ended;
      });
    }
  });

  CHECK(ended == 3);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
