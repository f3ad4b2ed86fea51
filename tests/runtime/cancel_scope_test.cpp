#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/await.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/cancel_scope");

TEST_CASE("a scope that nobody cancels returns what its function does") {
  test::run([] {
    CancelScope scope;

    CHECK(scope.run([] { return 3; }) == std::optional<int>(3));
    CHECK_FALSE(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
  });
}

TEST_CASE("a scope cancelled before it is entered ends at its first suspension point") {
  Trace trace;

  test::run([&] {
    CancelScope scope;
    scope.cancel();
    const bool finished = scope.run([&] {
      trace.push_back("runs");
      sleep_for(1h);
      trace.push_back("goes on");
    });
    CHECK_FALSE(finished);
    CHECK(scope.cancelled_caught());
  });

  CHECK(trace == Trace{"runs"});
}

TEST_CASE("a scope cancelled by a callback outside ends the wait inside") {
  test::run([] {
    CancelScope scope;
    const auto began = now();
    set_timeout(10ms, [&] { scope.cancel(); });

    CHECK_FALSE(scope.run([] { sleep_for(1h); }));
    CHECK(now() - began == 10ms);
    sleep_for(1ms);  // the code after the scope is not cancelled
  });
}

TEST_CASE("a scope cancels itself from inside, at the next suspension point") {
  Trace trace;

  test::run([&] {
    CancelScope scope;
    scope.run([&] {
      scope.cancel();
      trace.push_back("goes on");
      yield();
      trace.push_back("too far");
    });
  });

  CHECK(trace == Trace{"goes on"});
}

TEST_CASE("code that swallows Cancelled gets it again at the next suspension point") {
  Trace trace;

  test::run([&] {
    CancelScope scope;
    scope.cancel();
    const bool finished = scope.run([&] {
      trace.push_back("sleep " + outcome([] { sleep_for(1h); }));
      trace.push_back("yield " + outcome([] { yield(); }));
      trace.push_back("await " + outcome([] { await<int>([](Callback<int>) {}); }));
      trace.push_back("join " + outcome([] { spawn([] {}).join(); }));
      trace.push_back("check " + outcome([] { check_cancelled(); }));
    });
    trace.push_back(finished ? "finished" : "cut");
    trace.push_back("after " + outcome([] { yield(); }));
  });

  CHECK(trace == Trace{"sleep cancelled", "yield cancelled", "await cancelled", "join cancelled",
                       "check cancelled", "finished", "after went on"});
}

TEST_CASE("a cancelled scope whose function returns all the same has its result") {
  test::run([] {
    CancelScope scope;
    const auto result = scope.run([&] {
      scope.cancel();
      return 8;
    });

    CHECK(result == std::optional<int>(8));
    CHECK(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
  });
}

TEST_CASE("an inner scope that is cancelled leaves the outer one running") {
  test::run([] {
    CancelScope outer;
    CancelScope inner;
    const bool finished = outer.run([&] {
      inner.cancel();
      CHECK_FALSE(inner.run([] { sleep_for(1h); }));
      sleep_for(1ms);
    });

    CHECK(finished);
    CHECK(inner.cancelled_caught());
    CHECK_FALSE(outer.cancel_called());
  });
}

TEST_CASE("an outer scope that is cancelled ends the inner one, and catches") {
  Trace trace;

  test::run([&] {
    CancelScope outer;
    CancelScope inner;
    set_timeout(1ms, [&] { outer.cancel(); });
    outer.run([&] {
      inner.run([&] { sleep_for(1h); });
      trace.push_back("after inner");
    });
    CHECK(outer.cancelled_caught());
    CHECK_FALSE(inner.cancel_called());
    CHECK_FALSE(inner.cancelled_caught());
  });

  CHECK(trace == Trace{});
}

TEST_CASE("of two nested scopes cancelled at once the outer one catches") {
  std::string order;
  SUBCASE("the inner first") {
    order = "io";
  }
  SUBCASE("the outer first") {
    order = "oi";
  }

  test::run([&] {
    CancelScope outer;
    CancelScope inner;
    set_timeout(1ms, [&] {
      for (const char c : order) (c == 'i' ? inner : outer).cancel(std::string(1, c));
    });
    outer.run([&] {
      inner.run([] { sleep_for(1h); });
      FAIL("the inner scope caught it");
    });
    CHECK(outer.cancelled_caught());
    CHECK_FALSE(inner.cancelled_caught());
  });
}

TEST_CASE("an outer scope cancelled while an inner one unwinds takes the unwinding over") {
  struct WaitsAtEnd {
    ~WaitsAtEnd() { sleep_for(5ms); }
  };
  test::run([] {
    CancelScope outer;
    CancelScope inner;
    inner.cancel();
    set_timeout(2ms, [&] { outer.cancel(); });
    outer.run([&] {
      inner.run([] {
        const WaitsAtEnd cleanup;
        yield();
      });
      FAIL("the inner scope caught it");
    });
    CHECK(outer.cancelled_caught());
  });
}

TEST_CASE("the reason of the scope that will catch arrives with Cancelled") {
  std::string seen;

  test::run([&] {
    CancelScope outer;
    CancelScope inner;
    outer.cancel("the server stops");
    outer.cancel("a later reason");
    inner.cancel("the reply is not needed");
    outer.run([&] {
      inner.run([&] {
        try {
          yield();
        } catch (const Cancelled& cancelled) {
          seen = cancelled.reason();
          throw;
        }
      });
    });
    CHECK(outer.reason() == "the server stops");
    CHECK(inner.reason() == "the reply is not needed");
  });

  CHECK(seen == "the server stops");
}

TEST_CASE("Cancelled tells why: a task was cancelled, a deadline passed") {
  Trace trace;
  const auto reason_of = [](auto fn) {
    try {
      fn();
    } catch (const Cancelled& cancelled) {
      return std::string(cancelled.reason());
    }
    return std::string("went on");
  };

  test::run([&] {
    auto task = spawn([&] { trace.push_back(reason_of([] { sleep_for(1h); })); });
    yield();
    task.cancel();
    task.join();
    move_on_after(1ms, [&] { trace.push_back(reason_of([] { sleep_for(1h); })); });
  });

  CHECK(trace == Trace{"the task was cancelled", "the deadline passed"});
}

TEST_CASE("an error thrown while a scope is cancelled goes past the scope") {
  test::run([] {
    CancelScope scope;
    scope.cancel();
    const auto fails = [&] {
      scope.run([] {
        try {
          yield();
        } catch (const Cancelled&) {
          throw std::runtime_error("cleanup failed");
        }
      });
    };

    CHECK_THROWS_WITH(fails(), "cleanup failed");
    CHECK(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
    yield();  // not cancelled any more
  });
}

TEST_CASE("a shield keeps a cancellation from outside away, and only while it lasts") {
  Trace trace;

  test::run([&] {
    CancelScope outer;
    outer.cancel();
    outer.run([&] {
      shielded([&] {
        sleep_for(5ms);
        trace.push_back("cleaned up");
      });
      trace.push_back(outcome([] { yield(); }));
    });
  });

  CHECK(trace == Trace{"cleaned up", "cancelled"});
}

TEST_CASE("a shielded scope ends by its own cancel, and catches it") {
  test::run([] {
    CancelScope outer;
    CancelScope inner({.shield = true});
    outer.cancel();
    inner.cancel();
    outer.run([&] {
      CHECK_FALSE(inner.run([] { sleep_for(1h); }));
      CHECK(inner.cancelled_caught());
      check_cancelled();
      FAIL("the outer scope is cancelled");
    });
    CHECK(outer.cancelled_caught());
  });
}

TEST_CASE("a shield dropped while the fiber inside waits lets the cancellation in") {
  test::run([] {
    CancelScope outer;
    CancelScope inner({.shield = true});
    const auto began = now();
    set_timeout(1ms, [&] { outer.cancel(); });
    set_timeout(5ms, [&] { inner.set_shield(false); });
    outer.run([&] {
      inner.run([] { sleep_for(1h); });
      FAIL("the inner scope caught it");
    });

    CHECK(outer.cancelled_caught());
    CHECK(now() - began == 5ms);
  });
}

TEST_CASE("a shield raised while the fiber inside waits keeps a later cancellation away") {
  test::run([] {
    CancelScope outer;
    CancelScope inner;
    set_timeout(1ms, [&] { inner.set_shield(true); });
    set_timeout(5ms, [&] { outer.cancel(); });
    outer.run([&] { CHECK(inner.run([] { sleep_for(10ms); })); });

    CHECK(outer.cancel_called());
    CHECK_FALSE(outer.cancelled_caught());
  });
}

TEST_CASE("a shield raised after a wait was aborted does not call the delivery back") {
  Trace trace;

  test::run([&] {
    CancelScope outer;
    CancelScope inner;
    set_timeout(1ms, [&] {
      outer.cancel();
      inner.set_shield(true);
    });
    outer.run([&] {
      inner.run([&] { trace.push_back(outcome([] { sleep_for(1h); })); });
      trace.push_back(outcome([] { yield(); }));
    });
  });

  CHECK(trace == Trace{"cancelled", "cancelled"});
}

TEST_CASE("a shield raised while a fiber is ready hides what it has not met yet") {
  Trace trace;

  test::run([&] {
    CancelScope outer;
    CancelScope inner;
    auto task = spawn([&] {
      outer.run([&] {
        inner.run([&] {
          yield();
          trace.push_back(outcome([] { sleep_for(1ms); }));
        });
        trace.push_back(outcome([] { yield(); }));
      });
    });
    yield();
    outer.cancel();
    inner.set_shield(true);
    task.join();
  });

  CHECK(trace == Trace{"went on", "cancelled"});
}

TEST_CASE("a shield holds off Task::cancel and the end of the run as well") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      shielded([&] {
        CHECK_THROWS_AS(sleep_for(1h), std::system_error);  // ended by force, not cancelled
        trace.push_back(is_cancelled() ? "is cancelled" : "is not");
      });
      trace.push_back(is_cancelled() ? "is cancelled" : "is not");
    });
    auto task = spawn([&] {
      shielded([&] { trace.push_back("task " + outcome([] { sleep_for(5ms); })); });
      trace.push_back("task " + outcome([] { sleep_for(5ms); }));
    });
    yield();
    task.cancel();
    task.join();
    detail::EventLoop::current("stop").stop(nullptr);
  });

  CHECK(trace == Trace{"task went on", "task cancelled", "is not", "is cancelled"});
}

TEST_CASE("Task::cancel is the cancel of the fiber's outermost scope") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      CancelScope scope;
      scope.run([&] {
        trace.push_back(outcome([] { sleep_for(1h); }));
        yield();
      });
      trace.push_back("the scope caught it");
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a fiber spawned loose inside a scope is not cancelled with it") {
  Trace trace;

  test::run([&] {
    CancelScope scope;
    std::optional<Task<void>> loose;
    scope.run([&] {
      loose = spawn([&] {
        trace.push_back(outcome([] { sleep_for(5ms); }));
        trace.push_back(is_cancelled() ? "is cancelled" : "is not");
      });
      scope.cancel();
      yield();
    });
    loose->join();
  });

  CHECK(trace == Trace{"went on", "is not"});
}

TEST_CASE("code that runs inside knows whether its scope is cancelled") {
  Trace trace;
  const auto note = [&](const char* who) {
    trace.push_back(std::string(who) + (is_cancelled() ? " is cancelled" : " is not"));
  };

  test::run([&] {
    CancelScope scope;
    scope.run([&] {
      set_timeout(1ms, [&] { note("a callback before"); });
      set_timeout(5ms, [&] { note("a callback after"); });
      set_timeout(2ms, [&] { scope.cancel(); });
      note("the fiber");
      static_cast<void>(outcome([] { sleep_for(1h); }));
      note("the fiber");
      shielded([&] { note("a shield"); });
    });
    note("outside");
  });

  CHECK(trace == Trace{"the fiber is not", "a callback before is not", "the fiber is cancelled",
                       "a shield is not", "outside is not", "a callback after is cancelled"});
}

TEST_CASE("a cancelled scope whose shield is up does not reach the wait of a task outside") {
  test::run([] {
    CancelScope scope({.shield = true});
    auto outside = spawn([] { return outcome([] { sleep_for(5ms); }); });
    scope.cancel();
    scope.run([] { yield(); });

    CHECK(outside.join() == "went on");
  });
}

TEST_CASE("locals set inside a scope are as they were after it, however it ends") {
  const AsyncLocal<std::string> local;
  Trace trace;

  test::run([&] {
    local.enter_with("outer");
    CancelScope scope;
    scope.run([&] {
      local.run("inner", [&] {
        scope.cancel();
        yield();
      });
    });
    trace.push_back(seen(local));
    CancelScope other;
    other.run([&] { local.enter_with("kept, as run() of another local keeps it"); });
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"outer", "kept, as run() of another local keeps it"});
}

TEST_CASE("a scope misused says what to do") {
  test::run([] {
    CancelScope scope;
    scope.run([] {});
    CHECK_THROWS_WITH_AS(scope.run([] {}),
                         "CancelScope::run: this scope was entered before; make one for each use",
                         UsageError);
    auto in_callback = spawn([] {
      await<void>([](Callback<void> done) {
        next_tick([done = std::move(done)]() mutable {
          CancelScope inside;
          CHECK_THROWS_AS(inside.run([] {}), UsageError);
          done({});
        });
      });
    });
    in_callback.join();
  });
}

TEST_CASE("an abort that cancels another scope cancels that one too") {
  Trace trace;

  test::run([&] {
    CancelScope first;
    CancelScope second;
    auto a = spawn([&] {
      Callback<void> held;
      first.run([&] {
        await<void>([&](Callback<void> done) { held = std::move(done); },
                    [&] {
                      trace.push_back("abort");
                      second.cancel();
                      held(detail::uv_error(UV_ECANCELED, "op"));
                    });
      });
      trace.push_back("first over");
    });
    auto b = spawn([&] {
      second.run([] { sleep_for(1h); });
      trace.push_back("second over");
    });
    yield();
    const auto began = now();
    first.cancel();
    a.join();
    b.join();
    CHECK(now() == began);
  });

  CHECK(trace == Trace{"abort", "first over", "second over"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
