#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/await.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/task_group");

TEST_CASE("a group ends after its last task, and returns what its body returned") {
  Trace trace;

  test::run([&] {
    const int result = task_group([&](TaskGroup& group) {
      group.spawn([&] {
        sleep_for(20ms);
        trace.push_back("slow task");
      });
      group.spawn([&] {
        sleep_for(10ms);
        trace.push_back("quick task");
      });
      trace.push_back("body");
      return 5;
    });
    trace.push_back("returns " + std::to_string(result));
  });

  CHECK(trace == Trace{"body", "quick task", "slow task", "returns 5"});
}

TEST_CASE("tasks first run in the order they were spawned") {
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      for (const char* name : {"a", "b", "c"}) {
        group.spawn([&trace, name] { trace.push_back(name); });
      }
    });
  });

  CHECK(trace == Trace{"a", "b", "c"});
}

TEST_CASE("an empty group returns without waiting") {
  test::run([] {
    bool other_ran = false;
    spawn([&] { other_ran = true; });

    CHECK(task_group([](TaskGroup&) { return 1; }) == 1);
    CHECK_FALSE(other_ran);
  });
}

TEST_CASE("a cancelled group ends without an error") {
  test::run([] {
    const auto began = now();
    bool body_was_cut = true;
    task_group([&](TaskGroup& group) {
      group.spawn([] { sleep_for(1h); });
      set_timeout(10ms, [&] { group.cancel("enough"); });
      sleep_for(1h);
      body_was_cut = false;
    });

    CHECK(body_was_cut);
    CHECK(now() - began == 10ms);
  });
}

TEST_CASE("a group cancelled by a task cancels the others with the reason") {
  std::string reason;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        try {
          sleep_for(1h);
        } catch (const Cancelled& cancelled) {
          reason = cancelled.reason();
          throw;
        }
      });
      group.spawn([&] { group.cancel("found"); });
    });
  });

  CHECK(reason == "found");
}

TEST_CASE("a group whose body was cut has no result to return") {
  test::run([] {
    const auto cut = [] {
      return task_group([](TaskGroup& group) {
        group.cancel();
        yield();
        return 1;
      });
    };

    CHECK_THROWS_WITH_AS(cut(), "task_group: operation canceled (ECANCELED)", std::system_error);
    CHECK(task_group([](TaskGroup& group) {
            group.spawn([] { sleep_for(1h); });
            group.cancel();
            return 2;
          }) == 2);
  });
}

TEST_CASE("a cancellation from outside passes the group once its tasks have ended") {
  Trace trace;

  test::run([&] {
    const bool finished = move_on_after(10ms, [&] {
      task_group([&](TaskGroup& group) {
        group.spawn([&] {
          trace.push_back("task " + outcome([] { sleep_for(1h); }));
          shielded([] { sleep_for(5ms); });
          trace.push_back("cleaned up");
          yield();
        });
      });
      trace.push_back("the group returned");
    });
    trace.push_back(finished ? "finished" : "cut");
  });

  CHECK(trace == Trace{"task cancelled", "cleaned up", "cut"});
}

TEST_CASE("a group whose tasks all end in spite of a cancellation returns") {
  test::run([] {
    const auto result = move_on_after(10ms, [&] {
      return task_group([](TaskGroup& group) {
        group.spawn([] { static_cast<void>(outcome([] { sleep_for(1h); })); });
        return 3;
      });
    });

    CHECK(result == std::optional<int>(3));
  });
}

TEST_CASE("a deadline and a shield may be set on the whole group") {
  test::run([] {
    const auto began = now();
    move_on_after(5ms, [&] {
      task_group([&](TaskGroup& group) {
        group.cancel_scope().set_deadline(began + 10ms);
        group.cancel_scope().set_shield(true);
        group.spawn([] {
          CHECK(remaining() == 10ms);
          sleep_for(1h);
        });
      });
      CHECK(now() - began == 10ms);
    });
  });
}

TEST_CASE("cancelling an outer group reaches tasks at any depth, and not beside it") {
  Trace trace;
  const auto nest = [&](auto& self, int depth) -> void {
    task_group([&](TaskGroup& group) {
      group.spawn([&, depth] {
        if (depth < 40) return self(self, depth + 1);
        trace.push_back("deepest " + outcome([] { sleep_for(1h); }));
      });
    });
  };

  test::run([&] {
    task_group([&](TaskGroup& around) {
      around.spawn([&] { trace.push_back("beside " + outcome([] { sleep_for(20ms); })); });
      CancelScope scope;
      set_timeout(10ms, [&] { scope.cancel(); });
      scope.run([&] { nest(nest, 0); });
    });
  });

  CHECK(trace == Trace{"deepest cancelled", "beside went on"});
}

TEST_CASE("a task is cancelled with its group, not with the scope it was spawned in") {
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      move_on_after(5ms, [&] {
        group.spawn([&] {
          trace.push_back(remaining() ? "has a deadline" : "has none");
          set_timeout(1ms, [&] { trace.push_back(remaining() ? "has a deadline" : "has none"); });
          trace.push_back(outcome([] { sleep_for(10ms); }));
        });
        sleep_for(1h);
      });
    });
  });

  CHECK(trace == Trace{"has none", "has none", "went on"});
}

TEST_CASE("a task spawned from a timer callback belongs to the group, in the callback's context") {
  const AsyncLocal<std::string> local;
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      local.run("timer", [&] {
        set_timeout(5ms, [&] {
          group.spawn([&] { trace.push_back(seen(local) + " " + outcome([] { sleep_for(1h); })); });
        });
      });
      sleep_for(10ms);
      group.cancel();
    });
    trace.push_back("over");
  });

  CHECK(trace == Trace{"timer cancelled", "over"});
}

TEST_CASE("a task may spawn into its group after the body has ended") {
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        sleep_for(5ms);
        group.spawn([&] {
          sleep_for(5ms);
          trace.push_back("late task");
        });
      });
    });
    trace.push_back("over");
  });

  CHECK(trace == Trace{"late task", "over"});
}

TEST_CASE("a task spawned into a cancelled group starts, and ends where it would wait") {
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        static_cast<void>(outcome([] { sleep_for(1h); }));
        group.spawn([&] {
          trace.push_back("starts");
          sleep_for(1h);
        });
      });
      yield();
      group.cancel();
    });
  });

  CHECK(trace == Trace{"starts"});
}

TEST_CASE("a group whose last task has ended takes no more") {
  test::run([] {
    task_group([](TaskGroup& group) {
      group.spawn([&group] {
        sleep_for(5ms);
        spawn([&group] {  // runs between the end of the last task and that of the group
          CHECK_THROWS_AS(group.spawn([] {}), UsageError);
        });
      });
    });
  });
}

TEST_CASE("a task's result can be joined inside the group") {
  test::run([] {
    const int sum = task_group([](TaskGroup& group) {
      auto one = group.spawn([] { return 1; });
      auto two = group.spawn([] {
        sleep_for(5ms);
        return 2;
      });
      return one.join() + two.join();
    });

    CHECK(sum == 3);
  });
}

TEST_CASE("a task that outlived its group's block in a handle can be joined after it") {
  test::run([] {
    std::optional<Task<std::string>> task;
    task_group([&](TaskGroup& group) { task = group.spawn([] { return std::string("kept"); }); });

    CHECK(task->join() == "kept");
  });
}

TEST_CASE("cancelling one task of a group by its handle leaves the others alone") {
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      auto first = group.spawn([&] { sleep_for(1h); });
      group.spawn([&] {
        sleep_for(5ms);
        trace.push_back("the other goes on");
      });
      yield();
      first.cancel();
    });
    trace.push_back("over");
  });

  CHECK(trace == Trace{"the other goes on", "over"});
}

TEST_CASE("what a task captured and its context's values die before the group ends") {
  const AsyncLocal<test::Mortal> local;
  Trace trace;

  test::run([&] {
    task_group([&](TaskGroup& group) {
      group.spawn([&, captured = test::Mortal(trace, "captured")] {
        local.enter_with(test::Mortal(trace, "value"));
        yield();
      });
    });
    trace.push_back("over");
  });

  CHECK(trace == Trace{"captured dies", "value dies", "over"});
}

TEST_CASE("a value of a task's context that waits when it dies is waited for") {
  struct WaitsAtEnd {
    explicit WaitsAtEnd(Trace& into) : trace(&into) {}
    WaitsAtEnd(WaitsAtEnd&& other) noexcept : trace(std::exchange(other.trace, nullptr)) {}
    ~WaitsAtEnd() {
      if (trace == nullptr) return;
      sleep_for(5ms);
      trace->push_back("value dies");
    }
    Trace* trace;
  };
  const AsyncLocal<WaitsAtEnd> local;
  Trace trace;

  test::run([&] {
    task_group(
        [&](TaskGroup& group) { group.spawn([&] { local.enter_with(WaitsAtEnd(trace)); }); });
    trace.push_back("over");
  });

  CHECK(trace == Trace{"value dies", "over"});
}

TEST_CASE("a task is a fiber to hooks, and ends before the fiber that waits goes on") {
  Trace trace;

  test::run([&] {
    test::HookRecorder recorder;
    task_group([&](TaskGroup& group) { group.spawn([] {}); });
    trace = recorder.take();
  });

  CHECK(trace ==
        Trace{"init FIBER 2 1", "after 1", "before 2", "resolve 2", "after 2", "before 1"});
}

TEST_CASE("a group of a stopped run waits for its tasks, however often they are stuck") {
  Trace trace;
  const auto wait_for_nothing = [] {
    Callback<int> never;  // cannot be aborted: ended by force
    await<int>([&](Callback<int> done) { never = std::move(done); });
  };

  test::run([&] {
    spawn([&] {
      task_group([&](TaskGroup& group) {
        group.spawn([&] {
          trace.push_back("task " + outcome(wait_for_nothing));
          shielded([&] { CHECK_THROWS_AS(wait_for_nothing(), std::system_error); });
          shielded([&] { CHECK_THROWS_AS(sleep_for(5ms), std::system_error); });
          trace.push_back("task ends");
        });
      });
      trace.push_back("group over");
    });
    yield();
    detail::EventLoop::current("stop").stop(nullptr);
  });

  CHECK(trace == Trace{"task cancelled", "task ends", "group over"});
}

TEST_CASE("a task_group in a destructor that unwinds waits for its tasks") {
  struct WaitsAtEnd {
    Trace& trace;
    ~WaitsAtEnd() {
      task_group([&](TaskGroup& group) {
        group.spawn([&] { trace.push_back(outcome([] { sleep_for(5ms); })); });
      });
      trace.push_back("waited");
    }
  };
  Trace trace;

  test::run([&] {
    move_on_after(1ms, [&] {
      const WaitsAtEnd cleanup{trace};
      sleep_for(1h);
    });
  });

  CHECK(trace == Trace{"cancelled", "waited"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
