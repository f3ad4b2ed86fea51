#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Mortal;
using test::outcome;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/task_drop");

// A task that gives a value, and a fiber that joins it.
struct Joined {
  template <typename F>
  Joined(Trace& trace, F fn) : task(spawn(std::move(fn))) {
    joiner = spawn([this, &trace] {
      try {
        trace.push_back("joined " + task->join().name());
      } catch (const std::runtime_error& error) {
        trace.push_back(std::string("caught ") + error.what());
      }
    });
    yield();  // it waits
  }

  std::optional<Task<Mortal>> task;
  std::optional<Task<void>> joiner;
};

TEST_CASE("a join goes on when another fiber drops the task, and the value dies with it") {
  Trace trace;

  test::run([&] {
    Joined both(trace, [&] {
      sleep_for(2ms);
      return Mortal(trace, "value");
    });
    both.task.reset();
    both.joiner->join();
    trace.push_back("over");
  });

  CHECK(trace == Trace{"joined value", "value dies", "over"});
}

TEST_CASE("a task may be dropped between the end of its fiber and the joiner's turn") {
  Trace trace;

  test::run([&] {
    Joined both(trace, [&] {
      yield();
      yield();
      return Mortal(trace, "value");
    });
    while (!both.task->done()) yield();
    both.task.reset();
    trace.push_back("dropped");
    both.joiner->join();
  });

  CHECK(trace == Trace{"dropped", "joined value", "value dies"});
}

TEST_CASE("the joiner of a dropped task receives its error, and nobody else does") {
  Trace trace;

  test::run([&] {
    Joined both(trace, []() -> Mortal {
      sleep_for(1ms);
      throw std::runtime_error("failed");
    });
    both.task.reset();
    both.joiner->join();
  });

  CHECK(trace == Trace{"caught failed"});
}

TEST_CASE("a cancelled joiner lets a dropped task go") {
  Trace trace;

  test::run([&] {
    Joined both(trace, [&] {
      sleep_for(1ms);
      trace.push_back("ends");
      return Mortal(trace, "value");
    });
    both.task.reset();
    both.joiner->cancel();
    CHECK(outcome([&] { sleep_for(2ms); }) == "went on");
    trace.push_back("over");
  });

  CHECK(trace == Trace{"ends", "value dies", "over"});
}

TEST_CASE("a cancelled joiner does not look at a task that ended and was dropped before it ran") {
  Trace trace;

  test::run([&] {
    Joined both(trace, [&] {
      yield();
      return Mortal(trace, "value");
    });
    spawn([&] {
      CHECK(both.task->done());
      both.task.reset();
      trace.push_back("dropped");
    });
    both.joiner->cancel();
    CHECK_THROWS_AS(both.joiner->join(), std::system_error);
  });

  CHECK(trace == Trace{"value dies", "dropped"});
}

TEST_CASE("a run that ends by force lets the joined task go, too") {
  Trace trace;
  Channel<int> never(0);

  test::run([&] {
    auto task = std::optional(spawn([&] {
      shielded([&] { CHECK_THROWS_AS(never.receive(), std::system_error); });
      return Mortal(trace, "value");
    }));
    spawn([&] {
      shielded([&] {
        CHECK_THROWS_WITH_AS(task->join(), "join: operation canceled (ECANCELED)",
                             std::system_error);
      });
    });
    yield();
    task.reset();
    detail::EventLoop::current("stop").stop(nullptr);
  });

  CHECK(trace == Trace{"value dies"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
