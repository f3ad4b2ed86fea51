#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

#include <weft/runtime/await.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/cancel");

TEST_CASE("a cancelled fiber ends at its next suspension point, not before") {
  Trace trace;

  test::run([&] {
    std::optional<Task<void>> task;
    task = spawn([&] {
      task->cancel();
      trace.push_back("still runs");
      yield();
      trace.push_back("goes on");
    });
    CHECK_THROWS_AS(task->join(), std::system_error);
  });

  CHECK(trace == Trace{"still runs"});
}

TEST_CASE("each suspension point of a cancelled fiber throws again") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      trace.push_back("sleep " + outcome([] { sleep_for(1h); }));
      trace.push_back("yield " + outcome([] { yield(); }));
      trace.push_back("join " + outcome([] { spawn([] {}).join(); }));
      trace.push_back("await " + outcome([] { await<int>([](Callback<int>) {}); }));
    });
    yield();
    task.cancel();
    task.join();
  });

  CHECK(trace == Trace{"sleep cancelled", "yield cancelled", "join cancelled", "await cancelled"});
}

TEST_CASE("a fiber that catches Cancelled and returns has a result") {
  int result = 0;

  test::run([&] {
    auto task = spawn([] {
      CHECK(outcome([] { sleep_for(1h); }) == "cancelled");
      return 4;
    });
    yield();
    task.cancel();
    result = task.join();
  });

  CHECK(result == 4);
}

TEST_CASE("Cancelled passes handlers of std::exception") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      try {
        sleep_for(1h);
      } catch (const std::exception&) {
        trace.push_back("caught as an exception");
      } catch (...) {
        trace.push_back("passed");
        throw;
      }
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
  });

  CHECK(trace == Trace{"passed"});
}

TEST_CASE("a suspension point does not throw Cancelled while an exception unwinds") {
  struct WaitsAtEnd {
    Trace& trace;
    ~WaitsAtEnd() {
      sleep_for(5ms);
      trace.push_back("cleaned up");
    }
  };
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      const WaitsAtEnd cleanup{trace};
      sleep_for(1h);
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
    trace.push_back("joined");
  });

  CHECK(trace == Trace{"cleaned up", "joined"});
}

TEST_CASE("a cancelled sleep ends at once") {
  test::run([] {
    const auto began = now();
    auto task = spawn([] { sleep_for(1h); });
    yield();
    task.cancel();

    CHECK_THROWS_AS(task.join(), std::system_error);
    CHECK(now() == began);
  });
}

TEST_CASE("a fiber cancelled before its first run starts and ends where it would wait") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      trace.push_back("starts");
      sleep_for(1h);
      trace.push_back("goes on");
    });
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
  });

  CHECK(trace == Trace{"starts"});
}

TEST_CASE("a cancelled join leaves the joined fiber running, to be joined again") {
  Trace trace;

  test::run([&] {
    auto worker = spawn([&] {
      sleep_for(10ms);
      return 9;
    });
    auto joiner = spawn([&] { trace.push_back(outcome([&] { worker.join(); })); });
    yield();
    joiner.cancel();
    joiner.join();
    trace.push_back(worker.done() ? "done" : "goes on");
    trace.push_back(std::to_string(worker.join()));
  });

  CHECK(trace == Trace{"cancelled", "goes on", "9"});
}

TEST_CASE("cancelling twice asks the operation to abort once") {
  int aborts = 0;

  test::run([&] {
    Callback<int> completed;
    auto task = spawn([&] {
      CHECK(outcome([&] {
              await<int>([&](Callback<int> done) { completed = std::move(done); },
                         [&] { ++aborts; });
            }) == "cancelled");
    });
    yield();
    task.cancel();
    task.cancel();
    completed(detail::uv_error(UV_ECANCELED, "op"));
    task.join();
  });

  CHECK(aborts == 1);
}

TEST_CASE("an await with an abort waits until the operation has let go") {
  Trace trace;

  test::run([&] {
    Callback<int> completed;
    auto task = spawn([&] {
      trace.push_back(outcome([&] {
        await<int>([&](Callback<int> done) { completed = std::move(done); },
                   [&] { trace.push_back("abort"); });
      }));
    });
    yield();
    task.cancel();
    sleep_for(5ms);
    trace.push_back(task.done() ? "done" : "still waits");
    completed(detail::uv_error(UV_ECANCELED, "op"));
    task.join();
  });

  CHECK(trace == Trace{"abort", "still waits", "cancelled"});
}

TEST_CASE("an await that succeeds all the same returns its value") {
  Trace trace;

  test::run([&] {
    Callback<int> completed;
    auto task = spawn([&] {
      const int value = await<int>([&](Callback<int> done) { completed = std::move(done); });
      trace.push_back("value " + std::to_string(value));
      trace.push_back("then " + outcome([] { yield(); }));
    });
    yield();
    task.cancel();
    completed(3);
    task.join();
  });

  CHECK(trace == Trace{"value 3", "then cancelled"});
}

TEST_CASE("an await that fails by itself reports its own error") {
  test::run([] {
    Callback<int> completed;
    auto task = spawn([&] {
      const auto result =
          await_result<int>([&](Callback<int> done) { completed = std::move(done); });
      CHECK(result.error() == std::errc::connection_reset);
    });
    yield();
    task.cancel();
    completed(detail::uv_error(UV_ECONNRESET, "op"));
    task.join();
  });
}

TEST_CASE("an await of a cancelled fiber does not start the operation") {
  bool started = false;

  test::run([&] {
    auto task = spawn([&] {
      CHECK(outcome([&] { await<int>([&](Callback<int>) { started = true; }); }) == "cancelled");
    });
    task.cancel();
    task.join();
  });

  CHECK_FALSE(started);
}

TEST_CASE("cancelling a fiber that has ended does nothing") {
  test::run([] {
    auto task = spawn([] { return 2; });
    yield();
    task.cancel();
    CHECK(task.join() == 2);
  });
}

TEST_CASE("a fiber made ready and then cancelled learns of the cancellation") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] { trace.push_back(outcome([] { yield(); })); });
    yield();
    task.cancel();
    task.join();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a wait in a destructor goes on when the fiber is cancelled meanwhile") {
  struct WaitsAtEnd {
    Trace& trace;
    Task<void> worker = spawn([] { sleep_for(5ms); });
    ~WaitsAtEnd() {
      worker.join();
      sleep_for(5ms);
      trace.push_back("cleaned up");
    }
  };
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      const WaitsAtEnd cleanup{trace};
      throw 1;
    });
    yield();
    task.cancel();
    sleep_for(7ms);
    task.cancel();
    CHECK_THROWS_AS(task.join(), int);
  });

  CHECK(trace == Trace{"cleaned up"});
}

TEST_CASE("a destructor may wait while the run is stopped") {
  const test::ChildResult child = test::run_in_child([] {
    struct WaitsAtEnd {
      ~WaitsAtEnd() { sleep_for(5ms); }
    };
    test::run([] {
      spawn([] {
        const WaitsAtEnd cleanup;
        sleep_for(1h);
      });
      yield();
      detail::EventLoop::current("stop").stop(nullptr);
    });
  });

  CHECK(child.signal == 0);
  CHECK(child.status == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
