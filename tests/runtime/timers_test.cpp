#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/cancel_scope.h>
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
using test::Mortal;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/timers");

// Says when something happens, in milliseconds since the test began.
struct Clocked {
  Trace trace;
  std::chrono::steady_clock::time_point began = {};

  void note(const std::string& what) {
    const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(now() - began);
    trace.push_back(what + " at " + std::to_string(at.count()));
  }
};

TEST_CASE("timers fire in the order of their deadlines, those of one in the order set") {
  Trace trace;

  test::run([&] {
    const auto later = [&](auto delay, const char* name) {
      set_timeout(delay, [&trace, name] { trace.push_back(name); });
    };
    later(3ms, "3 a");
    later(1ms, "1 a");
    later(200ms, "200");
    later(3ms, "3 b");
    later(1ms, "1 b");
    later(2ms, "2");
  });

  CHECK(trace == Trace{"1 a", "1 b", "2", "3 a", "3 b", "200"});
}

TEST_CASE("timers of one deadline that were set at different times fire in the order set") {
  Trace trace;

  test::run([&] {
    set_timeout(100ms, [&] { trace.push_back("set first"); });
    sleep_for(60ms);
    set_timeout(40ms, [&] { trace.push_back("set second"); });
    sleep_for(39ms);
    set_timeout(1ms, [&] { trace.push_back("set third"); });
  });

  CHECK(trace == Trace{"set first", "set second", "set third"});
}

TEST_CASE("delays are rounded up to milliseconds, at least one") {
  Clocked clocked;

  test::run([&] {
    clocked.began = now();
    set_timeout(-5ms, [&] { clocked.note("negative"); });
    set_timeout(0ms, [&] { clocked.note("zero"); });
    set_timeout(1ns, [&] { clocked.note("1 ns"); });
    set_timeout(1001us, [&] { clocked.note("1.001 ms"); });
    set_timeout(24h, [&] { clocked.note("a day"); });
  });

  CHECK(clocked.trace ==
        Trace{"negative at 1", "zero at 1", "1 ns at 1", "1.001 ms at 2", "a day at 86400000"});
}

TEST_CASE("the longest delay there is can be set and cleared") {
  test::run([] {
    auto timer = set_timeout(std::chrono::nanoseconds::max(), [] { FAIL("fired"); });
    sleep_for(1h);
    timer.clear();
  });
}

TEST_CASE("an interval repeats until it is cleared") {
  Clocked clocked;

  test::run([&] {
    clocked.began = now();
    std::optional<Timeout> interval;
    int calls = 0;
    interval = set_interval(10ms, [&] {
      clocked.note("call");
      if (++calls == 3) interval->clear();
    });
    sleep_for(1s);
  });

  CHECK(clocked.trace == Trace{"call at 10", "call at 20", "call at 30"});
}

TEST_CASE("an interval is one resource with one context for every call") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto interval = who.run("setter", [&] {
      return set_interval(1ms, [&] {
        trace.push_back(seen(who));
        who.enter_with("entered");
      });
    });
    const AsyncId id = interval.async_id();
    sleep_for(3ms);
    CHECK(interval.async_id() == id);
    interval.clear();
  });

  CHECK(trace == Trace{"setter", "setter"});
}

TEST_CASE("a timer cleared before it is due never fires and drops its callback at once") {
  Trace trace;

  test::run([&] {
    auto timer = set_timeout(1ms, [&trace, held = Mortal(trace, "capture")] {
      trace.push_back("fired " + held.name());
    });
    timer.clear();
    trace.push_back("cleared");
    timer.clear();
    sleep_for(5ms);
  });

  CHECK(trace == Trace{"capture dies", "cleared"});
}

TEST_CASE("a timer cleared by another of the same deadline does not fire") {
  Trace trace;

  test::run([&] {
    std::optional<Timeout> second;
    set_timeout(1ms, [&] {
      trace.push_back("first");
      second->clear();
    });
    second = set_timeout(1ms, [&] { trace.push_back("second"); });
    sleep_for(2ms);
  });

  CHECK(trace == Trace{"first"});
}

TEST_CASE("an interval may be cleared by what its callback made ready") {
  Trace trace;

  test::run([&] {
    std::optional<Timeout> interval;
    SUBCASE("a tick") {
      interval = set_interval(1ms, [&] {
        trace.push_back("call");
        next_tick([&] { interval.reset(); });
        next_tick([held = *interval]() mutable { held.clear(); });
      });
    }
    SUBCASE("a fiber") {
      interval = set_interval(1ms, [&] {
        trace.push_back("call");
        spawn([&] {
          interval->clear();
          interval.reset();
        });
      });
    }
    sleep_for(10ms);
  });

  CHECK(trace == Trace{"call"});
}

TEST_CASE("refresh begins the time of a waiting timer anew") {
  Clocked clocked;

  test::run([&] {
    clocked.began = now();
    auto timer = set_timeout(10ms, [&] { clocked.note("fires"); });
    const AsyncId id = timer.async_id();
    sleep_for(6ms);
    CHECK(timer.refresh().async_id() == id);
  });

  CHECK(clocked.trace == Trace{"fires at 16"});
}

TEST_CASE("refresh gives a timer that fired a new life: a new id and the context of the call") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto timer =
        who.run("setter", [&] { return set_timeout(1ms, [&] { trace.push_back(seen(who)); }); });
    const AsyncId first = timer.async_id();
    sleep_for(2ms);
    who.run("refresher", [&] { timer.refresh(); });
    CHECK(timer.async_id() != first);
    sleep_for(2ms);
  });

  CHECK(trace == Trace{"setter", "refresher"});
}

TEST_CASE("refresh inside the callback and in what it made ready repeats a timer") {
  Clocked clocked;

  test::run([&] {
    clocked.began = now();
    std::optional<Timeout> timer;
    int left = 3;
    timer = set_timeout(10ms, [&] {
      clocked.note("fires");
      if (--left == 0) return;
      if (left == 2) {
        timer->refresh();
      } else {
        next_tick([&] { timer->refresh(); });
      }
    });
    sleep_for(100ms);
  });

  CHECK(clocked.trace == Trace{"fires at 10", "fires at 20", "fires at 30"});
}

TEST_CASE("a cleared timer stays cleared, whenever it was") {
  int calls = 0;

  test::run([&] {
    std::optional<Timeout> in_callback;
    in_callback = set_timeout(1ms, [&] {
      ++calls;
      in_callback->clear();
      in_callback->refresh();
    });
    auto before = set_timeout(1ms, [&] { ++calls; });
    before.clear();
    before.refresh();
    sleep_for(5ms);
    in_callback->refresh();
    sleep_for(5ms);
  });

  CHECK(calls == 1);
}

TEST_CASE("a timer that is unreferenced does not keep the loop alive") {
  Trace trace;

  test::run([&] {
    auto lost = set_timeout(1ms, [&] { trace.push_back("unreferenced"); });
    auto kept = set_timeout(1ms, [&] { trace.push_back("referenced again"); });
    CHECK(lost.has_ref());
    lost.unref().unref();
    kept.unref().ref();
    CHECK_FALSE(lost.has_ref());
    CHECK(kept.has_ref());
    kept.clear();
    lost.refresh();
  });

  CHECK(trace.empty());
}

TEST_CASE("an unreferenced timer fires while something else keeps the loop alive") {
  Trace trace;

  test::run([&] {
    set_timeout(1ms, [&] { trace.push_back("unreferenced"); }).unref();
    set_timeout(2ms, [&] { trace.push_back("referenced"); });
  });

  CHECK(trace == Trace{"unreferenced", "referenced"});
}

TEST_CASE("an interval that unreferences itself ends with the loop") {
  std::optional<Timeout> interval;
  int calls = 0;

  test::run([&] {
    interval = set_interval(2ms, [&] {
      ++calls;
      interval->unref();
    });
    sleep_for(5ms);
  });

  CHECK(calls == 2);
}

TEST_CASE("immediates run in the order set, those they set in the next turn") {
  Trace trace;

  test::run([&] {
    set_immediate([&] {
      trace.push_back("first");
      set_immediate([&] { trace.push_back("nested"); });
      set_timeout(0ms, [&] { trace.push_back("timer"); });
      next_tick([&] { trace.push_back("tick"); });
    });
    set_immediate([&] { trace.push_back("second"); });
  });

  CHECK(trace == Trace{"first", "tick", "second", "nested", "timer"});
}

TEST_CASE("a cleared immediate does not run and drops its callback at once") {
  Trace trace;

  test::run([&] {
    auto immediate = set_immediate(
        [&trace, held = Mortal(trace, "capture")] { trace.push_back("ran " + held.name()); });
    immediate.clear();
    trace.push_back("cleared");
    immediate.clear();
  });

  CHECK(trace == Trace{"capture dies", "cleared"});
}

TEST_CASE("immediates set by immediates wait a turn, though the last of this one was cleared") {
  Trace trace;

  test::run([&] {
    std::optional<Immediate> last;
    set_immediate([&] {
      trace.push_back("first");
      last->clear();
      set_immediate([&] { trace.push_back("nested"); });
      Loop::current().post([&] { trace.push_back("polled"); });
    });
    last = set_immediate([] { FAIL("cleared, but ran"); });
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"first", "polled", "nested"});
}

TEST_CASE("an unreferenced immediate does not keep the loop alive") {
  Trace trace;

  test::run([&] {
    auto immediate = set_immediate([&] { trace.push_back("unreferenced"); });
    CHECK(immediate.has_ref());
    CHECK_FALSE(immediate.unref().has_ref());
    CHECK(immediate.ref().has_ref());
    immediate.unref();
  });

  CHECK(trace.empty());
}

TEST_CASE("ticks and fibers run between two timers of one deadline") {
  Trace trace;

  test::run([&] {
    for (const char* name : {"a", "b"}) {
      set_timeout(1ms, [&trace, name] {
        trace.push_back(name);
        next_tick([&trace, name] { trace.push_back(name + std::string(" tick")); });
        spawn([&trace, name] { trace.push_back(name + std::string(" fiber")); });
      });
    }
  });

  CHECK(trace == Trace{"a", "a tick", "a fiber", "b", "b tick", "b fiber"});
}

TEST_CASE("the life of a timer is init, before and after, destroy") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([&] {
    set_timeout(1ms, [&] { recorder.note("fires"); });
    auto cleared = set_timeout(1ms, [] {});
    cleared.clear();
    cleared.clear();
    sleep_for(2ms);
    recorder.note("slept");
  });

  CHECK(recorder.trace() == Trace{"init Timeout 2 0", "init Timeout 3 0", "init Timeout 4 0",
                                  "destroy 3", "before 2", "fires", "after 2", "destroy 2",
                                  "before 4", "after 4", "slept", "destroy 4"});
}

TEST_CASE("the life of an immediate is init, before and after, destroy") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([&] {
    set_immediate([&] { recorder.note("runs"); });
    set_immediate([] {}).clear();
  });

  CHECK(recorder.trace() == Trace{"init Immediate 2 0", "init Immediate 3 0", "destroy 3",
                                  "before 2", "runs", "after 2", "destroy 2"});
}

TEST_CASE("sleeping takes the time it says, from the time of the turn") {
  Clocked clocked;

  test::run([&] {
    clocked.began = now();
    sleep_for(5ms);
    clocked.note("slept");
    sleep_until(clocked.began + 8ms);
    clocked.note("slept until");
    sleep_until(clocked.began);
    clocked.note("slept until the past");
  });

  CHECK(clocked.trace == Trace{"slept at 5", "slept until at 8", "slept until the past at 9"});
}

TEST_CASE("a handle may outlive its timer and its loop") {
  std::optional<Timeout> timer;
  std::optional<Timeout> cleared;
  std::optional<Immediate> immediate;

  test::run([&] {
    timer = set_timeout(1ms, [] {});
    cleared = timer;
    immediate = set_immediate([] {});
    timer = set_timeout(1h, [] {}).unref();
  });

  timer->clear();
  immediate->clear();
}

TEST_CASE("timers outside of a loop are a usage error") {
  CHECK_THROWS_AS(set_timeout(1ms, [] {}), UsageError);
  CHECK_THROWS_AS(set_interval(1ms, [] {}), UsageError);
  CHECK_THROWS_AS(set_immediate([] {}), UsageError);
  CHECK_THROWS_AS(sleep_for(1ms), UsageError);
  CHECK_THROWS_AS(now(), UsageError);
}

TEST_CASE("timers fire on the real clock, not before their time") {
  Trace trace;
  const auto began = std::chrono::steady_clock::now();

  test::run(
      [&] {
        set_timeout(2ms, [&] { trace.push_back("first"); });
        set_timeout(3ms, [&] { trace.push_back("second"); });
        set_timeout(1ms, [] {}).clear();
        sleep_for(5ms);
      },
      {.clock = detail::Clock::kReal});

  CHECK(trace == Trace{"first", "second"});
  CHECK(std::chrono::steady_clock::now() - began >= 4ms);
}

TEST_CASE("an empty callback of a timer or an immediate is a usage error that names the call") {
  test::run([] {
    CHECK_THROWS_WITH_AS(set_timeout(1ms, {}), doctest::Contains("set_timeout"), UsageError);
    CHECK_THROWS_WITH_AS(set_interval(1ms, {}), doctest::Contains("set_interval"), UsageError);
    CHECK_THROWS_WITH_AS(set_immediate({}), doctest::Contains("set_immediate"), UsageError);
  });
}

TEST_CASE("a delay counts from the call, however long the code before it computed") {
  Trace trace;

  test::run(
      [&] {
        set_timeout(5ms, [&] { trace.push_back("5 ms, before the work"); });
        const auto end = std::chrono::steady_clock::now() + 10ms;
        while (std::chrono::steady_clock::now() < end) continue;
        set_timeout(1ms, [&] { trace.push_back("1 ms, after it"); });
      },
      {.clock = detail::Clock::kReal});

  CHECK(trace == Trace{"5 ms, before the work", "1 ms, after it"});
}

using Real = std::chrono::steady_clock;

void compute(std::chrono::nanoseconds time) {
  for (const auto end = Real::now() + time; Real::now() < end;) continue;
}

// Goes on computing until most of a millisecond of the system's clock has passed.
Real::time_point late_in_a_millisecond() {
  for (;;) {
    const auto now = Real::now();
    const auto part = now.time_since_epoch() % 1ms;
    if (part > 700us && part < 900us) return now;
  }
}

TEST_CASE("no sleep, timer or deadline ends early by steady_clock, of which now() is never ahead") {
  bool is_early = false;
  bool is_ahead = false;

  test::run(
      [&] {
        const auto check = [&](Real::time_point due) {
          is_early = is_early || Real::now() < due;
          is_ahead = is_ahead || now() > Real::now();
        };
        for (int i = 0; i < 3; ++i) {
          const auto began = late_in_a_millisecond();
          set_timeout(1ms, [&check, began] { check(began + 1ms); });
          sleep_for(2ms);
          check(began + 2ms);
          const auto due = late_in_a_millisecond() + 1ms;
          sleep_until(due);
          check(due);
          const auto scoped = late_in_a_millisecond();
          move_on_after(1ms, [] { sleep_for(1h); });
          check(scoped + 1ms);
        }
        std::optional<Real::time_point> last;
        auto interval = set_interval(1ms, [&] {
          if (last) check(*last + 1ms);
          last = late_in_a_millisecond();
        });
        sleep_for(6ms);
        interval.clear();
      },
      {.clock = detail::Clock::kReal});

  CHECK_FALSE(is_early);
  CHECK_FALSE(is_ahead);
}

TEST_CASE("timers that are due again by the time they are set let the rest of the turn run") {
  constexpr int kMost = 8;
  int rounds = 0;

  test::run(
      [&] {
        bool has_turned = false;
        const auto overload = [&] {
          for (; !has_turned && rounds < kMost; ++rounds) {
            compute(3ms);
            sleep_for(1ms);
          }
        };
        auto first = spawn(overload);
        auto second = spawn(overload);
        set_timeout(1ms, [&] { set_immediate([&] { has_turned = true; }); });
        first.join();
        second.join();
      },
      {.clock = detail::Clock::kReal});

  CHECK(rounds < kMost);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
