#include <chrono>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/timers");

TEST_CASE("a timeout lives from its call to the end of its callback") {
  reproduce("timeout", [](Life& life) {
    life.run([&] {
      life.als.run("A", [&] { set_timeout(1ms, [&] { life.cb("timeout"); }); });
      life.cb("main");
    });
  });
}

TEST_CASE("a timeout without a reference does not keep the program, one with a reference does") {
  reproduce("timeout-args-unref", [](Life& life) {
    life.run([&] {
      life.als.run("A", [&] { set_timeout(10s, [&] { life.cb("unref-never-1"); }).unref(); });
      life.als.run("B", [&] { set_timeout(1ms, [&] { life.cb("args-12"); }); });
    });
  });
}

TEST_CASE("clearing a timeout ends its life without a call") {
  reproduce("timeout-clear", [](Life& life) {
    life.run([&] {
      Timeout timer =
          life.als.run("A", [&] { return set_timeout(10ms, [&] { life.cb("never"); }); });
      life.cb("before-clear");
      timer.clear();
      life.cb("after-clear");
      set_timeout(5ms, [&] { life.cb("later"); });
    });
  });
}

TEST_CASE("a timeout set by a timeout is triggered by it and sees the store of its own call") {
  reproduce("timeout-nested", [](Life& life) {
    const auto first = [&life] {
      life.cb("t1");
      life.als.run("B", [&] { set_timeout(1ms, [&] { life.cb("t2-created-in-B"); }); });
      set_timeout(20ms, [&] { life.cb("t3-created-in-A"); });
    };
    life.run([&] { life.als.run("A", [&] { set_timeout(1ms, first); }); });
  });
}

TEST_CASE("an interval is one resource for all its calls, until it clears itself") {
  reproduce("interval-clear-inside", [](Life& life) {
    int calls = 0;
    Timeout interval;
    const auto tick = [&] {
      life.cb("tick" + std::to_string(++calls));
      if (calls == 3) interval.clear();
    };
    life.run([&] { life.als.run("A", [&] { interval = set_interval(1ms, tick); }); });
  });
}

TEST_CASE("ticks run between two immediates, and a nested immediate in the next turn") {
  reproduce("immediate", [](Life& life) {
    const auto first = [&life] {
      life.cb("imm1");
      set_immediate([&life] { life.cb("imm-nested"); });
      next_tick([&life] { life.cb("tick"); });
    };
    life.run([&] {
      life.als.run("A", [&] { set_immediate(first); });
      life.als.run("B", [&] { set_immediate([&] { life.cb("imm2"); }); });
    });
  });
}

TEST_CASE("clearing an immediate ends its life without a call") {
  reproduce("immediate-clear", [](Life& life) {
    life.run([&] {
      Immediate cleared =
          life.als.run("A", [&] { return set_immediate([&] { life.cb("never"); }); });
      cleared.clear();
      set_immediate([&] { life.cb("other"); });
    });
  });
}

TEST_CASE("what one call of an interval enters is not seen by the next") {
  reproduce("interval-enterwith", [](Life& life) {
    int calls = 0;
    Timeout interval;
    const auto tick = [&] {
      life.cb("tick" + std::to_string(++calls));
      life.als.enter_with("E" + std::to_string(calls));
      if (calls == 2) interval.clear();
    };
    life.run([&] { life.als.run("A", [&] { interval = set_interval(1ms, tick); }); });
  });
}

TEST_CASE("refresh gives a timer that fired a new life and a new store, a waiting one neither") {
  reproduce("timeout-refresh", [](Life& life) {
    int calls = 0;
    Timeout timer;
    const auto say = [&] { life.cb("timer" + std::to_string(++calls)); };
    const auto again = [&] { life.als.run("C", [&] { timer.refresh(); }); };
    life.run([&] {
      life.als.run("A", [&] { timer = set_timeout(10ms, say); });
      life.als.run("B", [&] { timer.refresh(); });
      set_timeout(50ms, again);
    });
  });
}

TEST_CASE("refresh does nothing to a timer that was cleared") {
  reproduce("timeout-refresh-cleared", [](Life& life) {
    const auto timer_that_says = [&life](const char* label) {
      return life.als.run("A",
                          [&] { return set_timeout(5ms, [&life, label] { life.cb(label); }); });
    };
    life.run([&] {
      Timeout waiting = timer_that_says("waiting");
      Timeout fired = timer_that_says("fired");
      waiting.clear();
      life.als.run("B", [&] { waiting.refresh(); });
      set_timeout(20ms, [fired]() mutable {
        fired.clear();
        fired.refresh();
      });
    });
  });
}

TEST_CASE("a delay may be as long as one likes") {
  reproduce("timeout-too-long", [](Life& life) {
    life.run([&] {
      Timeout timer = set_timeout(std::chrono::milliseconds(std::int64_t{1} << 31),
                                  [&] { life.cb("24 days"); });
      set_timeout(50ms, [&life, timer]() mutable {
        life.cb("clear");
        timer.clear();
      });
    });
  });
}

TEST_CASE("ticks and microtasks run between two timers of one deadline") {
  reproduce("timeout-same-list", [](Life& life) {
    const auto first = [&life] {
      life.cb("first");
      next_tick([&life] { life.cb("tick"); });
      queue_microtask([&life] { life.cb("microtask"); });
    };
    life.run([&] {
      life.als.run("A", [&] { set_timeout(1ms, first); });
      life.als.run("B", [&] { set_timeout(1ms, [&] { life.cb("second"); }); });
    });
  });
}

TEST_CASE("behind a callback come ticks, microtasks, destroys, immediates and then timers") {
  reproduce("order-all", [](Life& life) {
    const auto first = [&life] {
      set_timeout(1ms, [&life] { life.cb("timeout"); });
      set_immediate([&life] { life.cb("immediate"); });
      queue_microtask([&life] { life.cb("microtask"); });
      next_tick([&life] { life.cb("tick"); });
      AsyncResource("R").emit_destroy();
      life.cb("first");
    };
    life.run([&] { life.als.run("A", [&] { set_timeout(1ms, first); }); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
