#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/await.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/run");

// A libuv loop of the caller's, closed at the end without anything left on it.
class CallersLoop {
 public:
  CallersLoop() { REQUIRE(uv_loop_init(&loop_) == 0); }
  CallersLoop(const CallersLoop&) = delete;
  CallersLoop& operator=(const CallersLoop&) = delete;
  ~CallersLoop() {
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  uv_loop_t* get() { return &loop_; }

 private:
  uv_loop_t loop_;
};

// A timer of the caller's, which calls a function in the way libuv does.
class CallersTimer {
 public:
  CallersTimer(CallersLoop& loop, std::uint64_t delay_ms, std::uint64_t repeat_ms,
               UniqueFunction<void()> fn)
      : fn_(std::move(fn)) {
    uv_timer_init(loop.get(), &timer_);
    timer_.data = this;
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<CallersTimer*>(timer->data)->fn_(); },
        delay_ms, repeat_ms);
  }
  CallersTimer(const CallersTimer&) = delete;
  CallersTimer& operator=(const CallersTimer&) = delete;
  ~CallersTimer() {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(timer_.loop, UV_RUN_NOWAIT);
  }

  void stop() { uv_timer_stop(&timer_); }

 private:
  uv_timer_t timer_;
  UniqueFunction<void()> fn_;
};

TEST_CASE("run returns what main returned, or 0") {
  CHECK(run([] { return 3; }) == 3);
  CHECK(run([] {}) == 0);
}

TEST_CASE("run returns when nothing keeps the loop alive") {
  Trace trace;

  run([&] {
    spawn([&] {
      sleep_for(1ms);
      trace.push_back("fiber");
    });
    trace.push_back("main");
  });

  CHECK(trace == Trace{"main", "fiber"});
}

TEST_CASE("an exception that leaves main leaves run") {
  const test::ChildResult child =
      test::run_in_child([] { run([] { throw std::runtime_error("no luck"); }); });

  CHECK(child.status == 2);
  CHECK(child.says("thrown: no luck (std::runtime_error)"));
}

TEST_CASE("a run inside a run is a usage error that says to spawn") {
  test::run([] {
    CHECK_THROWS_WITH_AS(run([] {}), doctest::Contains("spawn()"), UsageError);
    spawn([] {}).join();
  });
}

TEST_CASE("main inherits the context run was called in, and leaves it as it was") {
  const AsyncLocal<std::string> who;
  Trace trace;

  who.run("outer", [&] {
    run([&] {
      trace.push_back("main in " + seen(who));
      who.enter_with("inner");
      spawn([&] { trace.push_back("fiber in " + seen(who)); });
    });
    trace.push_back("after in " + seen(who));
  });

  CHECK(trace == Trace{"main in outer", "fiber in inner", "after in outer"});
}

TEST_CASE("a thread may run one loop after another; ids do not repeat") {
  AsyncId first = 0;
  AsyncId second = 0;

  run([&] { first = execution_async_id(); });
  run([&] { second = execution_async_id(); });

  CHECK(first != second);
  CHECK(execution_async_id() == 0);
}

TEST_CASE("main runs on a stack of the size the options say") {
  run(
      [] {
        volatile char large[3 << 20];
        large[0] = 1;
        CHECK(large[0] == 1);
      },
      {.main_stack_bytes = 4 << 20});
}

TEST_CASE("stop ends the run in order and is no error") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      try {
        sleep_for(1h);
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    set_timeout(1h, [] { FAIL("fired"); });
    Loop::current().stop();
    trace.push_back("stop does not interrupt main");
  });

  CHECK(trace == Trace{"stop does not interrupt main", "cancelled"});
}

TEST_CASE("an interrupt stops the run in order if the options say so") {
  Trace trace;

  for (const int signal : {SIGINT, SIGTERM}) {
    const int status = run(
        [&] {
          set_timeout(1ms, [&] { std::raise(signal); });
          try {
            sleep_for(1h);
          } catch (const Cancelled&) {
            trace.push_back("cancelled");
          }
          return 5;
        },
        {.stop_on_interrupt = true});
    CHECK(status == 5);
  }

  CHECK(trace == Trace{"cancelled", "cancelled"});
}

TEST_CASE("SIGPIPE is ignored") {
  struct sigaction current {};

  run([] {});

  REQUIRE(::sigaction(SIGPIPE, nullptr, &current) == 0);
  CHECK((current.sa_handler == SIG_IGN));
}

TEST_CASE("run_on runs the caller's handles as well, until neither side has work") {
  CallersLoop loop;
  Trace trace;
  std::optional<CallersTimer> timer;

  const int status = run_on(loop.get(), [&] {
    timer.emplace(loop, 3, 0, [&] { trace.push_back("caller's timer"); });
    sleep_for(1ms);
    trace.push_back("fiber");
    return 4;
  });

  CHECK(status == 4);
  CHECK(trace == Trace{"fiber", "caller's timer"});
}

TEST_CASE("callbacks of the caller's handles may call weft") {
  CallersLoop loop;
  Trace trace;
  CallersTimer timer(loop, 1, 0, [&] {
    spawn([&] {
      yield();
      trace.push_back("fiber");
    });
    next_tick([&] { trace.push_back("tick"); });
    set_immediate([&] { trace.push_back("immediate"); });
    set_timeout(1ms, [&] { trace.push_back("timeout"); });
    trace.push_back("callback");
  });

  run_on(loop.get(), [] {});

  CHECK(trace == Trace{"callback", "tick", "fiber", "immediate", "timeout"});
}

TEST_CASE("a callback of the caller's handle may complete what a fiber awaits") {
  CallersLoop loop;
  Callback<int> completed;
  int value = 0;
  CallersTimer timer(loop, 1, 0, [&] { completed(7); });

  run_on(loop.get(),
         [&] { value = await<int>([&](Callback<int> done) { completed = std::move(done); }); });

  CHECK(value == 7);
}

TEST_CASE("uv_stop by the caller ends the run in order, and its handles stay") {
  CallersLoop loop;
  Trace trace;
  int calls = 0;
  CallersTimer timer(loop, 1, 1, [&] {
    if (++calls == 2) uv_stop(loop.get());
  });

  run_on(loop.get(), [&] {
    try {
      sleep_for(1h);
    } catch (const Cancelled&) {
      trace.push_back("cancelled");
    }
  });
  const int calls_in_run = calls;
  uv_run(loop.get(), UV_RUN_ONCE);
  timer.stop();

  CHECK(trace == Trace{"cancelled"});
  CHECK(calls > calls_in_run);
}

TEST_CASE("the caller's loop stays open for another run") {
  CallersLoop loop;

  CHECK(run_on(loop.get(), [] {
          sleep_for(1ms);
          return 1;
        }) == 1);
  CHECK(run_on(loop.get(), [] { return spawn([] { return 2; }).join(); }) == 2);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
