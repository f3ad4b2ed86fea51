// Errors nobody catches: where the handler runs, what follows, and that ids survive.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/semantics/kinds.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::Kind;
using test::kKinds;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

// A run whose handler calls `on_uncaught` and goes on.
template <typename Body, typename Handler>
void run_handling(Body body, Handler on_uncaught) {
  test::run(std::move(body),
            {.run = {.on_uncaught = [&](const std::exception_ptr&) { on_uncaught(); }}});
}

// What hooks and the handler tell of one resource, from the moment it is watched.
class Witness {
 public:
  Witness()
      : hook_(create_hook({.after = [this](AsyncId id) { note("after", id); },
                           .destroy = [this](AsyncId id) { note("destroy", id); }})) {
    hook_.enable();
  }
  void watch(AsyncId id) { watched_ = id; }
  void note(const std::string& what, AsyncId id) {
    if (id == watched_) trace_.push_back(what);
  }

  std::ptrdiff_t count(const char* what) const {
    return std::count(trace_.begin(), trace_.end(), what);
  }
  // The first lines and the last: what lives on has other callbacks between them.
  Trace first_and_last(std::size_t lines) const {
    Trace shown = trace_;
    if (shown.size() > lines)
      shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(lines) - 1, shown.end() - 1);
    return shown;
  }

 private:
  AsyncId watched_ = 0;
  Trace trace_;
  AsyncHook hook_;
};

Trace expected_of(const Kind& kind) {
  // An error rejects a reaction's promise; the handler runs as that, when nobody has looked.
  if (kind.type == "PROMISE") return {"after", "handler sees caller", "destroy"};
  // The error leaves this scope by itself; the handler runs in the callback around it.
  if (kind.type == "JOB") return {"after", "handler sees caller", "after", "destroy"};
  return {"handler sees caller", "after", "destroy"};
}

TEST_SUITE_BEGIN("conformance/semantics/uncaught");

TEST_CASE(
    "the handler runs once, as what failed and in its context, before the after of a callback") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    const AsyncLocal<std::string> who;
    Witness witness;
    const Trace expected = expected_of(kind);

    run_handling(
        [&] {
          who.run("caller", [&] {
            kind.start([&] {
              witness.watch(execution_async_id());
              throw std::runtime_error("uncaught");
            });
          });
        },
        [&] {
          if (kind.type == "JOB") witness.watch(execution_async_id());
          witness.note("handler sees " + seen(who), execution_async_id());
        });

    CHECK(witness.first_and_last(expected.size()) == expected);
    CHECK(witness.count("handler sees caller") == 1);
    CHECK(witness.count("destroy") == 1);
  }
}

TEST_CASE("after an error that was handled the next callback has its own ids") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    Trace trace;
    const auto ids_of_tick = [&](const char* when) {
      next_tick([&, when] {
        const AsyncResource* const running = execution_async_resource();
        const bool right = running != nullptr && running->type() == "TickObject" &&
                           running->async_id() == execution_async_id() &&
                           running->trigger_async_id() == trigger_async_id();
        trace.push_back(when + std::string(right ? ": right" : ": wrong"));
      });
    };

    run_handling(
        [&] {
          const AsyncId main = execution_async_id();
          kind.start([&] {
            ids_of_tick("queued by what failed");
            throw 1;
          });
          sleep_for(5ms);
          trace.push_back(execution_async_id() == main ? "main: right" : "main: wrong");
        },
        [&] { ids_of_tick("queued by the handler"); });

    CHECK(trace ==
          Trace{"queued by what failed: right", "queued by the handler: right", "main: right"});
  }
}

TEST_CASE("an interval that throws goes on, and has one destroy") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});
  Timeout interval;
  int left = 2;

  run_handling(
      [&] {
        recorder.take();
        interval = set_interval(1ms, [&] {
          if (--left == 0) interval.clear();
          throw std::runtime_error("again");
        });
      },
      [&] { recorder.note("handler"); });

  CHECK(recorder.trace() == Trace{"init Timeout 2 0", "before 2", "handler", "after 2", "before 2",
                                  "handler", "after 2", "destroy 2"});
}

TEST_CASE("an error through nested scopes leaves each, on the stack of its fiber only") {
  HookRecorder recorder({.hidden_types = {"Timeout"}});

  run_handling(
      [&] {
        AsyncResource waiting("WAITING");
        AsyncResource outer("OUTER");
        AsyncResource inner("INNER");
        auto bystander = spawn([&] { waiting.run_in_async_scope([] { sleep_for(2ms); }); });
        sleep_for(1ms);
        recorder.take();
        spawn(
            [&] { outer.run_in_async_scope([&] { inner.run_in_async_scope([] { throw 1; }); }); });
        yield();
        Trace lines = recorder.take();
        CHECK(lines == Trace{"init FIBER 6 1", "after 1", "before 6", "before 3", "before 4",
                             "after 4", "after 3", "handler in 6", "resolve 6", "after 6",
                             "before 1"});
        bystander.join();
        CHECK(recorder.take().back() == "before 1");
      },
      [&] { recorder.note("handler in " + recorder.name(execution_async_id())); });
}

TEST_CASE("an error in a scope that was suspended leaves the scope before the handler runs") {
  HookRecorder recorder;

  run_handling(
      [&] {
        AsyncResource job("JOB");
        spawn([&] {
          job.run_in_async_scope([] {
            yield();
            throw 1;
          });
        });
        yield();
        recorder.take();
        yield();
        CHECK(recorder.take() == Trace{"after 1", "before 3", "before 2", "after 2", "handler in 3",
                                       "resolve 3", "after 3", "before 1"});
      },
      [&] { recorder.note("handler in " + recorder.name(execution_async_id())); });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
