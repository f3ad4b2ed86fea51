// What is a fiber's own: its context, its stack of scopes, its end.
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/runtime/await.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

constexpr int kDeep = 1000;
const SpawnOptions kRoomy{.name = "deep", .stack_bytes = std::size_t{8} * 1024 * 1024};

// Opens `left` scopes inside each other, suspends in the innermost, and leaves them.
// Returns how often an id was not the scope's own.
int nest_scopes(int left) {
  if (left == 0) return sleep_for(1ms), 0;
  AsyncResource job("JOB");
  const AsyncId outer = execution_async_id();
  const auto is_wrong = [&] {
    return execution_async_id() != job.async_id() || trigger_async_id() != outer ||
           execution_async_resource() != &job;
  };
  int wrong = 0;
  job.run_in_async_scope([&] {
    wrong += is_wrong() ? 1 : 0;
    wrong += nest_scopes(left - 1);
    wrong += is_wrong() ? 1 : 0;
  });
  return wrong + (execution_async_id() != outer ? 1 : 0);
}

int nest_runs(const AsyncLocal<int>& depth, int left) {
  if (left == 0) return sleep_for(1ms), 0;
  int wrong = 0;
  depth.run(left, [&] {
    wrong += nest_runs(depth, left - 1);
    wrong += *depth.get() != left ? 1 : 0;
  });
  return wrong;
}

// Counts befores and afters of each id; a stack's are balanced whenever it is left.
struct Balance {
  int open = 0;
  int deepest = 0;
  AsyncHook hook() {
    return create_hook({.before = [this](AsyncId) { deepest = std::max(deepest, ++open); },
                        .after = [this](AsyncId) { --open; }});
  }
};

TEST_SUITE_BEGIN("conformance/semantics/fibers");

TEST_CASE("a thousand nested scopes on a fiber keep their ids across a wait in the innermost") {
  Balance balance;
  auto hook = balance.hook();
  hook.enable();
  int wrong = -1;

  test::run([&] {
    auto deep = spawn([] { return nest_scopes(kDeep); }, kRoomy);
    yield();
    CHECK(balance.open == 1);  // main's own: all of the deep fiber's are closed meanwhile
    wrong = deep.join();
  });

  CHECK(wrong == 0);
  CHECK(balance.open == 0);
  CHECK(balance.deepest == kDeep + 1);
}

TEST_CASE("a thousand nested runs on a fiber restore each value after a wait in the innermost") {
  const AsyncLocal<int> depth;
  int wrong = -1;

  test::run([&] {
    auto deep = spawn([&] { return nest_runs(depth, kDeep); }, kRoomy);
    yield();
    CHECK(depth.get() == nullptr);
    wrong = deep.join();
  });

  CHECK(wrong == 0);
}

TEST_CASE(
    "enter_with in a function reaches its caller, in a fiber it does not, before or after a wait") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto enter = [&] {
    who.enter_with("entered");
    sleep_for(1ms);
    who.enter_with("entered after the wait");
  };

  test::run([&] {
    who.run("outside", [&] {
      auto task = spawn(enter);
      yield();
      trace.push_back("beside the fiber: " + seen(who));
      task.join();
      trace.push_back("behind the fiber: " + seen(who));
      enter();
      trace.push_back("behind the call: " + seen(who));
    });
    trace.push_back("behind run: " + seen(who));
  });

  CHECK(trace == Trace{"beside the fiber: outside", "behind the fiber: outside",
                       "behind the call: entered after the wait", "behind run: none"});
}

TEST_CASE("a fiber started inside exit sees no store, however often it waits") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto note = [&] {
    trace.push_back(seen(who));
    sleep_for(1ms);
    trace.push_back(seen(who));
  };

  test::run([&] {
    who.run("store", [&] {
      auto hidden = who.exit([&] { return spawn(note); });
      auto shown = spawn([&] { spawn(note).join(); });
      hidden.join();
      shown.join();
      trace.push_back(seen(who));
    });
  });

  CHECK(trace == Trace{"none", "store", "none", "store", "store"});
}

TEST_CASE("an error passes from fiber to joiner, and each keeps its own store") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto failing = who.run("inner", [&] {
      return spawn([&] {
        sleep_for(1ms);
        trace.push_back("throws in " + seen(who));
        throw 1;
      });
    });
    who.run("joiner", [&] {
      try {
        failing.join();
      } catch (int) {
        trace.push_back("caught in " + seen(who));
      }
    });
  });

  CHECK(trace == Trace{"throws in inner", "caught in joiner"});
}

TEST_CASE(
    "a traced function that waits keeps start's store, and ends when it returns, not at the wait") {
  struct Call {
    std::string name;
    int result = 0;
  };
  const AsyncLocal<std::string> who;
  const TracingChannel<Call> calls("semantics.call");
  Trace trace;
  calls.start().bind_store(who, [](Call& call) { return call.name; });
  const auto subscription = calls.subscribe({
      .start = [&](Call&) { trace.push_back("start in " + seen(who)); },
      .end = [&](Call& it) { trace.push_back("end " + std::to_string(it.result)); },
  });

  test::run([&] {
    auto traced = spawn([&] {
      return calls.trace_sync(
          [&] {
            sleep_for(1ms);
            trace.push_back("goes on in " + seen(who));
            return 7;
          },
          Call{"call"});
    });
    yield();
    trace.push_back("beside it in " + seen(who));
    traced.join();
  });
  calls.unsubscribe(subscription);
  calls.start().unbind_store(who);

  CHECK(trace == Trace{"start in call", "beside it in none", "goes on in call", "end 7"});
}

TEST_CASE("a scope inside a callback does not drain the ticks, the callback's end does") {
  Trace trace;

  test::run([&] {
    set_immediate([&] {
      AsyncResource job("JOB");
      job.run_in_async_scope([&] {
        next_tick([&] { trace.push_back("tick"); });
        spawn([&] { trace.push_back("fiber"); });
      });
      trace.push_back("behind the scope");
    });
  });

  CHECK(trace == Trace{"behind the scope", "tick", "fiber"});
}

// A fiber that waits in a scope for good; counts how it ends.
void wait_in_scope(int& cancelled, int& returned) {
  AsyncResource job("JOB");
  try {
    job.run_in_async_scope([] { sleep_for(1h); });
    ++returned;
  } catch (const Cancelled&) {
    ++cancelled;
    throw;
  }
}

TEST_CASE("fibers waiting in scopes end in order when the run stops, hooks on, off or toggled") {
  struct Row {
    bool on_before_waiting;
    bool on_before_stopping;
  };
  for (const Row& row : {Row{false, false}, {true, true}, {false, true}, {true, false}}) {
    CAPTURE(row.on_before_waiting);
    CAPTURE(row.on_before_stopping);
    Balance balance;
    auto hook = balance.hook();
    const auto turn = [&](bool on) { on ? hook.enable() : hook.disable(); };
    int cancelled = 0;
    int returned = 0;
    turn(row.on_before_waiting);

    test::run([&] {
      for (int i = 0; i < 3; ++i) spawn([&] { wait_in_scope(cancelled, returned); });
      yield();
      turn(row.on_before_stopping);
      Loop::current().stop();
    });

    CHECK(cancelled == 3);
    CHECK(returned == 0);
    if (row.on_before_waiting == row.on_before_stopping) CHECK(balance.open == 0);
  }
}

TEST_CASE("each fiber that a stop ends hears its whole life, as one that ends by itself") {
  HookRecorder recorder;

  test::run([&] {
    AsyncResource job("JOB");
    spawn([&] { job.run_in_async_scope([] { sleep_for(1h); }); });
    yield();
    recorder.take();
    Loop::current().stop();
  });

  CHECK(recorder.trace() == Trace{"resolve 1", "after 1",                  //
                                  "init POST 5 1", "before 5", "after 5",  // the stop
                                  "before 3", "before 2", "after 2", "resolve 3", "after 3",  //
                                  "destroy 2", "destroy 1", "destroy 4", "destroy 3", "destroy 5"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
