#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/await.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
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

TEST_SUITE_BEGIN("runtime/loop");

// Threads meet here: time is the real one, which no test reads.
template <std::invocable Body>
void run_for_real(Body body, RunOptions options = {}) {
  test::run(std::move(body), {.run = std::move(options), .clock = detail::Clock::kReal});
}

TEST_CASE("functions posted by another thread run on the loop's thread, in the order posted") {
  Trace trace;
  std::thread poster;

  run_for_real([&] {
    const auto here = std::this_thread::get_id();
    poster = std::thread([&, here, loop = Loop::current(), keep = Loop::current().keep_alive()] {
      for (const char* name : {"first", "second", "third"}) {
        loop.post([&, here, name] {
          CHECK(std::this_thread::get_id() == here);
          trace.push_back(name);
        });
      }
    });
  });
  poster.join();

  CHECK(trace == Trace{"first", "second", "third"});
}

TEST_CASE("what the loop's own thread posts before the end runs") {
  Trace trace;

  run_for_real([&] {
    Loop::current().post([&] {
      trace.push_back("posted");
      Loop::current().post([&] { trace.push_back("posted by a posted one"); });
    });
    trace.push_back("main");
  });

  CHECK(trace == Trace{"main", "posted", "posted by a posted one"});
}

TEST_CASE("what a posted function posts at the end may start work like any other") {
  Trace trace;

  run_for_real([&] {
    Loop::current().post([&] {
      Loop::current().post([&] {
        set_immediate([&] {
          trace.push_back("immediate");
          set_timeout(1ms, [&] { trace.push_back("timeout"); });
        });
        spawn([&] {
          yield();
          trace.push_back("fiber");
        });
      });
    });
  });

  CHECK(trace == Trace{"fiber", "immediate", "timeout"});
}

TEST_CASE("a posted function may wake a fiber when nothing else can") {
  int value = 0;

  run_for_real([&] {
    value = await<int>([](Callback<int> done) {
      Loop::current().post([done = std::move(done)]() mutable { done(3); });
    });
  });

  CHECK(value == 3);
}

TEST_CASE("a posted function sees a copy of the poster's context") {
  const AsyncLocal<std::string> who;
  Trace trace;
  std::thread poster;

  run_for_real([&] {
    poster = std::thread([&, loop = Loop::current(), keep = Loop::current().keep_alive()] {
      who.run("poster", [&] {
        loop.post([&] {
          trace.push_back(seen(who));
          who.enter_with("left behind");
        });
      });
      loop.post([&] { trace.push_back(seen(who)); });
    });
  });
  poster.join();

  CHECK(trace == Trace{"poster", "none"});
}

TEST_CASE("values that crossed threads live as long as the last thread that sees them") {
  struct Counted {
    std::atomic<int>* alive;
    explicit Counted(std::atomic<int>& count) : alive(&count) { ++*alive; }
    Counted(Counted&& other) noexcept : alive(other.alive) { ++*alive; }
    Counted& operator=(Counted&&) = delete;
    ~Counted() { --*alive; }
  };
  const AsyncLocal<Counted> local;
  std::atomic<int> alive = 0;
  std::thread poster;
  int seen_by_fiber = 0;

  run_for_real([&] {
    poster = std::thread([&, loop = Loop::current(), keep = Loop::current().keep_alive()] {
      local.run(Counted(alive), [&] {
        for (int i = 0; i < 100; ++i) {
          loop.post([&] {
            spawn([&] {
              yield();
              seen_by_fiber += *local.get()->alive > 0 ? 1 : 0;
            });
          });
        }
      });
    });
  });
  poster.join();

  CHECK(seen_by_fiber == 100);
  CHECK(alive == 0);
}

TEST_CASE("an error of a posted function goes to the handler, in the poster's context") {
  const AsyncLocal<std::string> who;
  Trace trace;

  run_for_real(
      [&] {
        who.run("poster", [] { Loop::current().post([] { throw std::runtime_error("boom"); }); });
      },
      {.on_uncaught = [&](const std::exception_ptr& error) {
        trace.push_back(detail::describe_exception(error) + " in " + seen(who));
      }});

  CHECK(trace == Trace{"boom (std::runtime_error) in poster"});
}

TEST_CASE("a keep-alive held by another thread keeps the loop until it is dropped") {
  Trace trace;
  std::thread worker;

  run_for_real([&] {
    worker =
        std::thread([&, loop = Loop::current(), keep = Loop::current().keep_alive()]() mutable {
          const auto second = loop.keep_alive();
          keep = loop.keep_alive();
          loop.post([&] { trace.push_back("posted"); });
        });
  });
  worker.join();

  CHECK(trace == Trace{"posted"});
}

TEST_CASE("a fiber waiting for a thread that holds a keep-alive is no deadlock") {
  int value = 0;
  std::thread worker;

  run_for_real([&] {
    value = await<int>([&](Callback<int> done) {
      auto shared = std::make_shared<Callback<int>>(std::move(done));
      worker = std::thread([shared = std::move(shared), loop = Loop::current(),
                            keep = Loop::current().keep_alive()]() mutable {
        loop.post([shared = std::move(shared)] { (*shared)(11); });
      });
    });
  });
  worker.join();

  CHECK(value == 11);
}

TEST_CASE("posting to a loop that has ended fails with operation_canceled") {
  std::optional<Loop> loop;
  std::optional<Loop::KeepAlive> keep;
  bool ran = false;

  run_for_real([&] {
    loop = Loop::current();
    keep = Loop::current().keep_alive();
    loop->stop();
  });

  const auto code_of = [](auto&& fn) {
    try {
      fn();
    } catch (const std::system_error& error) {
      return error.code();
    }
    return std::error_code();
  };
  CHECK(code_of([&] { loop->post([&] { ran = true; }); }) == std::errc::operation_canceled);
  CHECK(code_of([&] { static_cast<void>(loop->keep_alive()); }) == std::errc::operation_canceled);
  loop->stop();
  CHECK_FALSE(ran);
}

TEST_CASE("another thread may stop the loop: its fibers are cancelled") {
  Trace trace;
  std::thread stopper;

  run_for_real([&] {
    stopper = std::thread([loop = Loop::current()] { loop.stop(); });
    try {
      sleep_for(1h);
    } catch (const Cancelled&) {
      trace.push_back("cancelled");
    }
  });
  stopper.join();

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("two loops on two threads post to each other") {
  std::atomic<int> volleys = 0;
  std::optional<Loop> first;
  std::thread other;

  run_for_real([&] {
    other = std::thread([&, loop = Loop::current(), keep = Loop::current().keep_alive()] {
      run([&] {
        const Loop mine = Loop::current();
        for (int i = 0; i < 50; ++i) {
          await<int>([&](Callback<int> done) {
            auto shared = std::make_shared<Callback<int>>(std::move(done));
            loop.post([&, shared = std::move(shared), back = mine.keep_alive()]() mutable {
              ++volleys;
              mine.post([shared = std::move(shared)] { (*shared)(1); });
            });
          });
        }
      });
    });
  });
  other.join();

  CHECK(volleys == 50);
}

TEST_CASE("a posted function is a resource of its own") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  run_for_real([&] { Loop::current().post([&] { recorder.note("runs"); }); });

  CHECK(recorder.trace() == Trace{"init POST 2 0", "before 2", "runs", "after 2", "destroy 2"});
}

TEST_CASE("the trigger of a posted function is what posted it, on whatever thread") {
  std::vector<AsyncId> posters;
  std::vector<AsyncId> triggers;
  const auto note = [&] { triggers.push_back(trigger_async_id()); };

  run_for_real([&] {
    const Loop loop = Loop::current();
    posters.push_back(execution_async_id());
    loop.post(note);
    std::thread([&] {
      AsyncResource job("JOB");
      posters.push_back(job.async_id());
      job.run_in_async_scope([&] { loop.post(note); });
      posters.push_back(0);
      loop.post(note);
    }).join();
  });

  CHECK(triggers == posters);
}

TEST_CASE("there is no current loop outside of a run") {
  CHECK_THROWS_AS(Loop::current(), UsageError);
}

TEST_CASE("posting an empty function is a usage error of the poster") {
  run_for_real([] {
    CHECK_THROWS_WITH_AS(Loop::current().post({}), doctest::Contains("post"), UsageError);
  });
}

TEST_CASE("a sleep that the stop cuts inside a shield fails, however often it is tried") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      const auto sleep = [&] {
        try {
          sleep_for(1h);
          trace.push_back("slept");
        } catch (const std::system_error& error) {
          trace.push_back(error.what());
        }
      };
      shielded([&] { sleep(), sleep(); });
    });
    yield();
    Loop::current().stop();
  });

  const std::string cut = "sleep_for: operation canceled (ECANCELED)";
  CHECK(trace == Trace{cut, cut});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
