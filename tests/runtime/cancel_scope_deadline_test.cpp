#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/detail/frame.h>
#include <weft/runtime/await.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/cancel_scope_deadline");

// How long `fn` takes.
template <typename F>
std::chrono::milliseconds duration_of(F&& fn) {
  const auto began = now();
  fn();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now() - began);
}

TEST_CASE("a deadline cuts a wait, and one that is not reached costs nothing") {
  test::run([] {
    std::optional<int> cut;
    std::optional<int> whole;
    const auto slow = [] {
      sleep_for(20ms);
      return 1;
    };

    CHECK(duration_of([&] { cut = move_on_after(10ms, slow); }) == 10ms);
    CHECK(duration_of([&] { whole = move_on_after(30ms, slow); }) == 20ms);
    CHECK_FALSE(cut.has_value());
    CHECK(whole == std::optional<int>(1));
    CHECK(duration_of([] { sleep_for(50ms); }) == 50ms);  // the second deadline is gone
  });
}

TEST_CASE("move_on_after tells of a function without a result whether it finished") {
  test::run([] {
    CHECK(move_on_after(10ms, [] { sleep_for(1ms); }));
    CHECK_FALSE(move_on_after(1ms, [] { sleep_for(10ms); }));
  });
}

TEST_CASE("a deadline counts for who asks without waiting") {
  test::run(
      [] {
        const auto limit = std::chrono::steady_clock::now() + 1s;
        const auto is_noticed = [&](auto&& look) {
          move_on_after(2ms, [&] {
            while (!look() && std::chrono::steady_clock::now() < limit) {
            }
          });
          return std::chrono::steady_clock::now() < limit;
        };

        CHECK(is_noticed([] { return is_cancelled(); }));
        CHECK(is_noticed([] { return remaining() <= 0s; }));
        CHECK(is_noticed([] {
          check_cancelled();
          return false;
        }));
        CHECK(is_noticed([] {
          yield();
          return false;
        }));
      },
      {.clock = detail::Clock::kReal});
}

TEST_CASE("a deadline ends a loop of waits that need not wait") {
  test::run(
      [] {
        Channel<int> full(1);
        full.send(1);
        const auto limit = std::chrono::steady_clock::now() + 1s;

        move_on_after(2ms, [&] {
          while (std::chrono::steady_clock::now() < limit) full.send(*full.receive());
        });

        CHECK(std::chrono::steady_clock::now() < limit);
      },
      {.clock = detail::Clock::kReal});
}

TEST_CASE("with_timeout throws TimedOut, which names the timeout and the place") {
  std::string text;
  std::chrono::nanoseconds timeout{};
  SUBCASE("milliseconds") {
    timeout = 50ms, text = "with_timeout of 50 ms at ";
  }
  SUBCASE("seconds") {
    timeout = 2s, text = "with_timeout of 2 s at ";
  }
  SUBCASE("an odd number") {
    timeout = 1500ms, text = "with_timeout of 1500 ms at ";
  }
  SUBCASE("nothing") {
    timeout = 0ms, text = "with_timeout of 0 ns at ";
  }

  test::run([&] {
    try {
      with_timeout(timeout, [] { sleep_for(1h); });
      FAIL("it went on");
    } catch (const TimedOut& error) {
      const std::string what = error.what();
      CHECK(error.code() == std::errc::timed_out);
      CHECK(what.starts_with(text));
      CHECK(what.find("cancel_scope_deadline_test.cpp:") != std::string::npos);
      CHECK(what.ends_with(": connection timed out (ETIMEDOUT)"));
    }
  });
}

TEST_CASE("with_deadline returns a result in time, and throws timed_out else") {
  test::run([] {
    CHECK(with_deadline(now() + 5ms, [] { return 6; }) == 6);
    CHECK_THROWS_AS(with_deadline(now() + 5ms, [] { sleep_for(6ms); }), std::system_error);
    CHECK(with_timeout(5ms, [] { return std::string("seven"); }) == "seven");
  });
}

TEST_CASE("of nested deadlines the earliest ends the wait, in the scope it belongs to") {
  Trace trace;
  std::chrono::milliseconds outer{};
  std::chrono::milliseconds inner{};
  Trace expected;
  SUBCASE("the inner") {
    outer = 20ms, inner = 10ms, expected = {"inner cut", "outer finished"};
  }
  SUBCASE("the outer") {
    outer = 10ms, inner = 20ms, expected = {"outer cut"};
  }
  SUBCASE("both at once") {
    outer = 10ms, inner = 10ms, expected = {"outer cut"};
  }

  test::run([&] {
    const auto wait = [] { sleep_for(1h); };
    const auto both = [&] {
      trace.push_back(move_on_after(inner, wait) ? "inner finished" : "inner cut");
      yield();
    };
    CHECK(duration_of([&] {
            trace.push_back(move_on_after(outer, both) ? "outer finished" : "outer cut");
          }) == 10ms);
  });

  CHECK(trace == expected);
}

TEST_CASE("a deadline in the past cuts at the first suspension point, not before") {
  Trace trace;

  test::run([&] {
    CancelScope scope({.deadline = now() - 1s});
    scope.run([&] {
      trace.push_back(scope.cancel_called() ? "cancelled at once" : "not yet");
      yield();
      trace.push_back("too far");
    });
    trace.push_back(move_on_after(-5ms, [] { return 1; }) ? "needs no wait" : "cut");
  });

  CHECK(trace == Trace{"cancelled at once", "needs no wait"});
}

TEST_CASE("a deadline moves while the scope runs") {
  std::chrono::milliseconds to{};
  SUBCASE("later") {
    to = 40ms;
  }
  SUBCASE("earlier") {
    to = 15ms;
  }
  SUBCASE("into the past") {
    to = -1ms;
  }

  test::run([&] {
    const auto began = now();
    CancelScope scope({.deadline = began + 30ms});
    set_timeout(10ms, [&] { scope.set_deadline(began + to); });
    CHECK_FALSE(scope.run([] { sleep_for(1h); }));

    CHECK(now() - began == std::max<std::chrono::milliseconds>(to, 10ms));
    CHECK(scope.deadline() == began + to);
  });
}

TEST_CASE("a deadline can be taken back, and set before the scope is entered") {
  test::run([] {
    CancelScope scope;
    scope.set_deadline(now() + 10ms);
    set_timeout(5ms, [&] { scope.set_deadline(std::nullopt); });

    CHECK(scope.run([] { sleep_for(20ms); }));
    CHECK_FALSE(scope.deadline().has_value());
  });
}

TEST_CASE("a deadline counts from the scope's entry on, however long it was made before") {
  test::run([] {
    CancelScope scope({.deadline = now() + 10ms});
    sleep_for(50ms);

    CHECK_FALSE(scope.cancel_called());
    CHECK_FALSE(scope.run([] { yield(); }));
  });
}

TEST_CASE("a scope whose deadline came after its last wait is cancelled and has its result") {
  detail::Clock clock{};
  SUBCASE("by a clock that runs") {
    clock = detail::Clock::kReal;
  }

  test::run(
      [] {
        CancelScope scope({.deadline = now() + 1ms});
        const auto result = scope.run([&] {
          const auto until = std::chrono::steady_clock::now() + 3ms;
          while (std::chrono::steady_clock::now() < until) {
          }
          CHECK(scope.cancel_called());  // nothing has waited, so no timer has fired
          return 2;
        });
        CHECK(result == std::optional<int>(2));
        CHECK_FALSE(scope.cancelled_caught());
      },
      {.clock = clock});
}

TEST_CASE("the effective deadline is the earliest around, up to a shield") {
  test::run([] {
    const auto t0 = now();
    CHECK_FALSE(current_effective_deadline().has_value());
    CHECK_FALSE(remaining().has_value());
    CancelScope outer({.deadline = t0 + 10ms});
    CancelScope middle({.deadline = t0 + 20ms});
    CancelScope inner({.deadline = t0 + 15ms, .shield = true});
    outer.run([&] {
      middle.run([&] {
        CHECK(current_effective_deadline() == t0 + 10ms);
        inner.run([&] {
          CHECK(remaining() == 15ms);
          inner.set_shield(false);
          CHECK(remaining() == 10ms);
          outer.set_deadline(t0 + 30ms);
          CHECK(remaining() == 15ms);
        });
        CHECK(remaining() == 20ms);
        middle.cancel();
        CHECK(remaining() == 0ms);
        CHECK(current_effective_deadline() == CancelScope::TimePoint::min());
      });
      CHECK(remaining() == 30ms);
    });
    CHECK_FALSE(remaining().has_value());
  });
}

TEST_CASE("what is started inside knows the deadline, and follows when it moves") {
  Trace trace;
  const auto left = [] {
    const auto time = remaining();
    return time ? std::to_string(*time / 1ms) + " ms" : std::string("no deadline");
  };

  test::run([&] {
    CancelScope scope({.deadline = now() + 100ms});
    scope.run([&] {
      set_timeout(10ms, [&] { trace.push_back("callback " + left()); });
      set_timeout(30ms, [&] { trace.push_back("later callback " + left()); });
      spawn([&] {
        trace.push_back("loose fiber " + left());
        move_on_after(500ms, [&] { trace.push_back("its scope " + left()); });
      });
      sleep_for(20ms);
      scope.set_deadline(*scope.deadline() + 100ms);
    });
    trace.push_back("outside " + left());
    sleep_for(50ms);
  });

  CHECK(trace == Trace{"loose fiber 100 ms", "its scope 100 ms", "callback 90 ms",
                       "outside no deadline", "later callback 170 ms"});
}

TEST_CASE("another thread's work knows the deadline of the code that started it") {
  std::optional<std::chrono::nanoseconds> seen;
  bool was_cancelled = false;

  test::run(
      [&] {
        CancelScope scope({.deadline = now() + 1h});
        scope.run([&] {
          auto captured = detail::PortableFrame::capture(detail::current_execution().frame);
          std::thread([&, frame = std::move(captured)]() mutable {
            detail::current_execution().frame = std::move(frame).take().release();
            seen = remaining();
            was_cancelled = is_cancelled();
          }).join();
        });
      },
      {.clock = detail::Clock::kReal});

  CHECK(seen > 59min);
  CHECK(seen <= 1h);
  CHECK_FALSE(was_cancelled);
}

TEST_CASE("a deadline keeps the loop alive and is no resource") {
  Trace trace;

  test::run([&] {
    test::HookRecorder recorder;
    move_on_after(5ms, [] { set_timeout(1h, [] {}).unref(); });
    trace = recorder.take();
  });

  CHECK(trace == Trace{"init Timeout 2 1"});
}

TEST_CASE("a program whose only waker is a deadline is not deadlocked") {
  test::run([] {
    CHECK_FALSE(move_on_after(10ms, [] {
      Callback<int> held;
      await<int>([&](Callback<int> done) { held = std::move(done); },
                 [&] { held(detail::uv_error(UV_ECANCELED, "op")); });
    }));
  });
}

TEST_CASE("deadlines and timers of one time come in the order they were set") {
  Trace trace;

  test::run([&] {
    set_timeout(10ms, [&] { trace.push_back("timer before"); });
    auto cut = spawn([&] {
      move_on_after(10ms, [] { sleep_for(1h); });
      trace.push_back("cut");
    });
    yield();
    set_timeout(10ms, [&] { trace.push_back("timer after"); });
    cut.join();
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"timer before", "cut", "timer after"});
}

TEST_CASE("when the run ends, the deadlines of shielded scopes come at once") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      Callback<int> held;
      CancelScope cleanup({.deadline = now() + 1h, .shield = true});
      const bool finished = cleanup.run([&] {
        await<int>([&](Callback<int> done) { held = std::move(done); },
                   [&] { held(detail::uv_error(UV_ECANCELED, "op")); });
      });
      trace.push_back(finished ? "finished" : "cut");
    });
    yield();
    detail::EventLoop::current("stop").stop(nullptr);
  });

  CHECK(trace == Trace{"cut"});
}

TEST_CASE("a deadline in a destructor that unwinds cuts what waits there") {
  struct Connection {
    explicit Connection(Trace& seen) : trace(seen) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
      const auto began = now();
      const bool flushed = shielded([] { return move_on_after(10ms, [] { sleep_for(2s); }); });
      trace.push_back(flushed ? "flushed" : "cut");
      CHECK(now() - began == 10ms);
    }
    Trace& trace;
  };
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      const Connection connection(trace);
      sleep_for(1h);
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
    CHECK_THROWS_AS(
        [&] {
          const Connection connection(trace);
          throw std::runtime_error("unwinds");
        }(),
        std::runtime_error);
  });

  CHECK(trace == Trace{"cut", "cut"});
}

TEST_CASE("a task that was let loose sees that its scope was cancelled, and goes on") {
  test::run([] {
    CancelScope scope({.deadline = now() + 1h});
    std::optional<Task<void>> loose;
    scope.run([&] {
      loose = spawn([] {
        sleep_for(5ms);
        CHECK(remaining() == 0ns);
      });
      sleep_for(1ms);
      scope.cancel();
    });
    loose->join();
  });
}

// Calls `fn` when it dies.
struct AtTheEnd {
  explicit AtTheEnd(UniqueFunction<void()> at_the_end) : fn(std::move(at_the_end)) {}
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;
  ~AtTheEnd() { fn(); }
  UniqueFunction<void()> fn;
};

TEST_CASE("a deadline inside a destructor that Cancelled runs ends the wait there") {
  Trace trace;

  test::run([&] {
    Channel<int> never(0);
    auto task = spawn([&] {
      const AtTheEnd cleanup([&] {
        CHECK(remaining() == std::nullopt);
        const bool in_time = move_on_after(5ms, [&] { never.receive(); });
        trace.push_back(in_time ? "received" : "given up");
      });
      sleep_for(1h);
    });
    sleep_for(2ms);
    task.cancel();
    sleep_for(10ms);
    trace.push_back(task.done() ? "done" : "hangs");
    never.close();
  });

  CHECK(trace == Trace{"given up", "done"});
}

TEST_CASE("a cancellation that a destructor's scope hid is met behind it") {
  Trace trace;

  test::run([&] {
    CancelScope scope;
    scope.run([&] {
      try {
        const AtTheEnd cleanup([&] {
          scope.cancel();
          CHECK(move_on_after(5ms, [] { sleep_for(1ms); }));
          trace.push_back("cleaned up");
        });
        throw 1;
      } catch (int) {
      }
      sleep_for(1h);
      trace.push_back("not cancelled");
    });
  });

  CHECK(trace == Trace{"cleaned up"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
