#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/offload");

TEST_CASE("a wait inside an offloaded function says that it cannot wait there") {
  std::string text;

  test::run([&] {
    try {
      offload([] { sleep_for(1ms); });
    } catch (const UsageError& error) {
      text = error.what();
    }
  });

  CHECK(text.find("sleep_for: a function that offload() runs cannot wait") == 0);
}

TEST_CASE("offload runs the function on another thread and returns its result") {
  test::run([] {
    const auto here = std::this_thread::get_id();

    const auto there = offload([] { return std::this_thread::get_id(); });

    CHECK(there != here);
    CHECK(*offload([] { return std::make_unique<int>(7); }) == 7);
    offload([] {});
  });
}

TEST_CASE("other fibers run while a function is offloaded") {
  Trace trace;

  test::run([&] {
    std::promise<void> may_end;
    spawn([&] {
      trace.push_back("other fiber");
      may_end.set_value();
    });
    offload([&] { may_end.get_future().wait(); });
    trace.push_back("offloaded");
  });

  CHECK(trace == Trace{"other fiber", "offloaded"});
}

TEST_CASE("what the function throws reaches the fiber that waits, unchanged") {
  test::run([] {
    CHECK_THROWS_WITH_AS(offload([]() -> int { throw std::range_error("no such row"); }),
                         "no such row", std::range_error);
  });
}

TEST_CASE("with a callback, what the function throws arrives as an error that tells it") {
  std::optional<Result<int>> seen;
  std::optional<Result<void>> system;

  test::run([&] {
    offload([]() -> int { throw std::range_error("no such row"); },
            [&](Result<int> result) { seen = std::move(result); });
    offload([] { throw std::system_error(std::make_error_code(std::errc::no_space_on_device)); },
            [&](Result<void> result) { system = std::move(result); });
    CHECK_FALSE(seen.has_value());
  });

  REQUIRE(seen.has_value());
  CHECK(seen->message().find("no such row") != std::string::npos);
  CHECK_THROWS_AS(seen->value(), std::range_error);
  REQUIRE(system.has_value());
  CHECK(system->error() == std::errc::no_space_on_device);
}

TEST_CASE("the function sees its caller's context, and what it sets stays on its thread") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    who.run("request 1", [&] {
      offload([&] {
        trace.push_back("in the pool: " + *who.get());
        who.enter_with("changed");
      });
      trace.push_back("behind it: " + *who.get());
      offload([] { return 1; }, [&](Result<int>) { trace.push_back("callback: " + *who.get()); });
    });
  });

  CHECK(trace == Trace{"in the pool: request 1", "behind it: request 1", "callback: request 1"});
}

TEST_CASE("the function knows the deadline of its caller and can post to the loop") {
  const AsyncLocal<int> request;
  Trace trace;

  test::run([&] {
    with_timeout(1h, [&] {
      request.run(5, [&] {
        const bool has_deadline = offload([&, loop = Loop::current()] {
          loop.post([&] { trace.push_back("posted for " + std::to_string(*request.get())); });
          return remaining().has_value();
        });
        CHECK(has_deadline);
      });
    });
  });

  CHECK(trace == Trace{"posted for 5"});
}

TEST_CASE("an offloaded function is a resource of type OFFLOAD") {
  HookRecorder* recorder = nullptr;
  AsyncId inside = 0;
  Trace trace;

  test::run([&] {
    HookRecorder recording;
    recorder = &recording;
    offload([&] { inside = execution_async_id(); });
    recorder->note("inside " + recorder->name(inside));
    sleep_for(1ms);
    trace = recording.take();
  });

  REQUIRE(trace.size() >= 6);
  CHECK(trace[0] == "init OFFLOAD 2 1");
  CHECK(trace[1] == "after 1");
  CHECK(trace[2] == "before 2");
  CHECK(trace[3] == "after 2");
  CHECK(trace[4] == "before 1");
  CHECK(trace[5] == "inside 2");
}

TEST_CASE("a cancelled offload does not begin a function that waits for a thread") {
  Trace trace;
  bool was_called = false;

  test::run([&] {
    Pool pool({.name = "one", .threads_max = 1});
    std::promise<void> may_end;
    auto first = spawn([&] { offload(pool, [&] { may_end.get_future().wait(); }); });
    auto second = spawn([&] {
      trace.push_back(test::outcome([&] { offload(pool, [&] { was_called = true; }); }));
    });
    while (pool.statistics().running == 0 || pool.statistics().queued == 0) yield();
    second.cancel();
    second.join();
    trace.push_back("the second has ended");
    may_end.set_value();
    first.join();
    CHECK(pool.statistics().cancelled == 1);
  });

  CHECK(trace == Trace{"cancelled", "the second has ended"});
  CHECK_FALSE(was_called);
}

TEST_CASE("an offload that may be abandoned returns what the function returns or throws") {
  test::run([] {
    const OffloadOptions options = {.abandon_on_cancel = true};
    CHECK(*offload([] { return std::make_unique<int>(7); }, options) == 7);
    CHECK(offload(
              Pool::fs(), [] { return 8; }, options) == 8);
    CHECK(offload([] { return 9; }, OffloadOptions()) == 9);
    CHECK_THROWS_WITH_AS(offload([] { throw std::range_error("no such row"); }, options),
                         "no such row", std::range_error);
  });
}

TEST_CASE("an abandoned function ends unheard, in its context, and is destroyed") {
  const AsyncLocal<std::string> who;
  const auto shared = std::make_shared<std::promise<void>>();
  std::promise<void> has_begun;
  std::promise<std::string> seen;
  Pool pool({.name = "one", .threads_max = 1});
  Trace trace;

  test::run([&] {
    auto task = who.run("request 1", [&] {
      return spawn([&] {
        trace.push_back(test::outcome([&] {
          offload(pool,
                  [&, shared] {
                    has_begun.set_value();
                    shared->get_future().wait();
                    seen.set_value(*who.get());
                    return std::make_unique<int>(7);
                  },
                  {.abandon_on_cancel = true});
        }));
      });
    });
    yield();
    has_begun.get_future().wait();
    task.cancel();
    task.join();
    CHECK(pool.statistics().abandoned == 1);
    CHECK(offload(pool, [] { return 1; }) == 1);
  });
  trace.push_back("the run has ended");
  shared->set_value();
  trace.push_back(seen.get_future().get());
  while (pool.statistics().abandoned > 0 || shared.use_count() > 1) std::this_thread::yield();

  CHECK(trace == Trace{"cancelled", "the run has ended", "request 1"});
}

TEST_CASE("a cancelled offload waits for a function that runs and returns its result") {
  Trace trace;

  test::run([&] {
    std::promise<void> has_begun;
    std::promise<void> may_end;
    CancelScope scope;
    auto task = spawn([&] {
      scope.run([&] {
        const bool was_told = offload([&] {
          has_begun.set_value();
          may_end.get_future().wait();
          return is_cancelled();
        });
        trace.push_back(was_told ? "told" : "not told");
        sleep_for(1ms);
      });
      trace.push_back(scope.cancelled_caught() ? "cancelled behind it" : "went on");
    });
    yield();
    has_begun.get_future().wait();
    scope.cancel();
    yield();
    trace.push_back("still waits");
    may_end.set_value();
    task.join();
  });

  CHECK(trace == Trace{"still waits", "told", "cancelled behind it"});
}

TEST_CASE("a run ends only when what was offloaded has ended, and what waits is not begun") {
  std::atomic<int> begun = 0;
  std::atomic<bool> ended = false;

  test::run([&] {
    Pool& pool = *new Pool({.name = "one", .threads_max = 1});
    const auto work = [&begun, &ended] {
      ++begun;
      std::this_thread::yield();
      ended = true;
    };
    spawn([&pool, work] { offload(pool, work); });
    spawn([&pool, work] { offload(pool, work); });
    offload(pool, work, [owner = std::unique_ptr<Pool>(&pool)](const Result<void>&) {});
    while (begun == 0) yield();
    Loop::current().stop();
  });

  CHECK(ended);
}

TEST_CASE("what needs the loop throws UsageError on a pool's thread") {
  test::run([] {
    CHECK_THROWS_AS(offload([] { sleep_for(1ms); }), UsageError);
    CHECK_THROWS_AS(offload([] { spawn([] {}); }), UsageError);
    CHECK_THROWS_AS(offload([] { offload([] {}); }), UsageError);
  });
}

TEST_CASE("offload outside of a fiber throws, and the form with a callback needs a loop") {
  CHECK_THROWS_AS(offload([] {}), UsageError);
  CHECK_THROWS_AS(offload([] {}, [](const Result<void>&) {}), UsageError);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
