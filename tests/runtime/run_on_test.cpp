#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/await.h>
#include <weft/runtime/error.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/run_on");

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

// An idle handle of the caller's: called in every turn.
class CallersIdle {
 public:
  CallersIdle(CallersLoop& loop, UniqueFunction<void()> fn) : fn_(std::move(fn)) {
    uv_idle_init(loop.get(), &idle_);
    idle_.data = this;
    uv_idle_start(&idle_, [](uv_idle_t* idle) { static_cast<CallersIdle*>(idle->data)->fn_(); });
  }
  CallersIdle(const CallersIdle&) = delete;
  CallersIdle& operator=(const CallersIdle&) = delete;
  ~CallersIdle() {
    uv_close(reinterpret_cast<uv_handle_t*>(&idle_), nullptr);
    uv_run(idle_.loop, UV_RUN_NOWAIT);
  }

 private:
  uv_idle_t idle_;
  UniqueFunction<void()> fn_;
};

TEST_CASE("run_on runs the caller's handles as well, until neither side has work") {
  CallersLoop loop;
  Trace trace;
  std::optional<CallersTimer> timer;

  const int status = run_on(loop.get(), [&] {
    sleep_for(1ms);
    trace.push_back("fiber");
    timer.emplace(loop, 1, 0, [&] { trace.push_back("caller's timer"); });
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

TEST_CASE("what the caller's callbacks start while the run ends leaves nothing behind") {
  void (*start)() = nullptr;
  SUBCASE("a tick") {
    start = [] { next_tick([] {}); };
  }
  SUBCASE("a microtask") {
    start = [] { queue_microtask([] {}); };
  }
  SUBCASE("a fiber") {
    start = [] { spawn([] { yield(); }); };
  }
  SUBCASE("a timer") {
    start = [] { set_timeout(1h, [] {}); };
  }
  SUBCASE("an immediate") {
    start = [] { set_immediate([] {}); };
  }
  CallersLoop loop;
  int calls = 0;
  CallersIdle idle(loop, [&] {
    ++calls;
    start();
  });

  CHECK(run_on(loop.get(), [] {
          Loop::current().stop();
          return 3;
        }) == 3);
  CHECK(calls > 0);
}

TEST_CASE("a callback kept beyond its wait does nothing when the caller calls it late") {
  CallersLoop loop;
  Callback<int> kept;
  Trace trace;
  CallersTimer keeps_the_loop_alive(loop, 3'600'000, 0, [] { FAIL("fired"); });

  run_on(loop.get(), [&] {
    spawn([&] {
      try {
        await<int>([&](Callback<int> done) { kept = std::move(done); });
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
      }
    });
    yield();
    Loop::current().stop();
  });

  CHECK_NOTHROW(kept(3));
  CHECK_NOTHROW(kept(4));
  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("what a callback of the caller's enters does not reach its callbacks of later turns") {
  const AsyncLocal<std::string> who;
  CallersLoop loop;
  Trace trace;
  CallersTimer timer(loop, 1, 1, [&] {
    trace.push_back(seen(who));
    who.enter_with("left behind");
    next_tick([&] { trace.push_back("tick sees " + seen(who)); });
    if (trace.size() > 2) timer.stop();
  });

  run_on(loop.get(), [] {});

  CHECK(trace == Trace{"none", "tick sees left behind", "none", "tick sees left behind"});
}

TEST_CASE("a promise that a caller's callback rejects is reported before the loop waits") {
  CallersLoop loop;
  Trace trace;
  CallersTimer timer(loop, 1, 0, [&] { Promise<int>().reject(std::runtime_error("boom")); });

  Event reported;

  run_on(loop.get(),
         [&] {
           reported.wait();
           trace.push_back("end");
         },
         {.on_uncaught = [&](const std::exception_ptr&) {
           trace.push_back("reported");
           reported.set();
         }});

  CHECK(trace == Trace{"reported", "end"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
