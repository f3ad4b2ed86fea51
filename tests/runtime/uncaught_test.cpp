#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/await.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
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

TEST_SUITE_BEGIN("runtime/uncaught");

// Runs `body` in a child, where it fails without a handler; what the child said.
std::string last_words(UniqueFunction<void()> body) {
  const test::ChildResult child = test::run_in_child([&] {
    detail::run_loop(
        nullptr, [&] { return body(), 0; }, {}, detail::Clock::kVirtual);
  });
  CHECK(child.status == 2);
  return child.errors;
}

TEST_CASE("the handler runs in the context of what failed, before its after") {
  const AsyncLocal<std::string> who;
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run(
      [&] {
        who.run("timer", [] { set_timeout(1ms, [] { throw std::runtime_error("boom"); }); });
        who.run("immediate", [] { set_immediate([] { throw std::runtime_error("bang"); }); });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         recorder.note(detail::describe_exception(error) + " in " + seen(who) + " of " +
                       recorder.name(execution_async_id()));
       }}});

  CHECK(recorder.trace() ==
        Trace{"init Timeout 2 0", "init Immediate 3 0", "before 3",
              "bang (std::runtime_error) in immediate of 3", "after 3", "destroy 3", "before 2",
              "boom (std::runtime_error) in timer of 2", "after 2", "destroy 2"});
}

TEST_CASE("scopes an error leaves emit their after before the handler runs") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run(
      [] {
        set_immediate([] {
          AsyncResource job("JOB");
          job.run_in_async_scope([] { throw 1; });
        });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) { recorder.note("handler"); }}});

  CHECK(recorder.trace() == Trace{"init Immediate 2 0", "before 2", "init JOB 3 2", "before 3",
                                  "after 3", "handler", "after 2", "destroy 3", "destroy 2"});
}

TEST_CASE("the handler of a fiber's error runs before the fiber's after") {
  HookRecorder recorder;

  test::run([] { spawn([] { throw 1; }); },
            {.run = {.on_uncaught = [&](const std::exception_ptr&) {
               recorder.note("handler in " + recorder.name(execution_async_id()));
             }}});

  CHECK(recorder.trace() == Trace{"init FIBER 1 0", "before 1", "init FIBER 2 1", "resolve 1",
                                  "after 1", "before 2", "handler in 2", "resolve 2", "after 2",
                                  "destroy 1", "destroy 2"});
}

TEST_CASE("after an error that was handled everything goes on") {
  Trace trace;

  test::run(
      [&] {
        set_timeout(1ms, [] { throw 1; });
        set_timeout(1ms, [&] { trace.push_back("next timer"); });
        sleep_for(2ms);
        trace.push_back("main");
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) {
         next_tick([&] { trace.push_back("tick of the handler"); });
         spawn([&] { trace.push_back("fiber of the handler"); });
       }}});

  CHECK(trace == Trace{"tick of the handler", "fiber of the handler", "next timer", "main"});
}

TEST_CASE("the handler is a callback: it may not wait") {
  int calls = 0;

  test::run([&] { spawn([] { throw 1; }); },
            {.run = {.on_uncaught = [&](const std::exception_ptr&) {
               CHECK_THROWS_AS(sleep_for(1ms), UsageError);
               ++calls;
             }}});

  CHECK(calls == 1);
}

TEST_CASE("without a handler everything is cancelled and run rethrows the first error") {
  const test::ChildResult child = test::run_in_child([] {
    run([] {
      spawn([] {
        struct Cleanup {
          ~Cleanup() { std::fputs("cleaned up\n", stderr); }
        } const cleanup;
        sleep_for(1h);
      });
      set_timeout(1h, [] {});
      set_immediate([] { throw std::runtime_error("first"); });
      set_immediate([] { throw std::runtime_error("never thrown"); });
    });
  });

  CHECK(child.status == 2);
  CHECK(child.says("cleaned up\n"));
  CHECK(child.says("weft: uncaught error: first (std::runtime_error)"));
  CHECK(child.says("thrown: first"));
  CHECK_FALSE(child.says("never"));
}

TEST_CASE("a handler that throws ends the run with its own error") {
  const test::ChildResult child = test::run_in_child([] {
    run([] { next_tick([] { throw std::runtime_error("of the tick"); }); },
        {.on_uncaught = [](const std::exception_ptr&) {
          throw std::runtime_error("of the handler");
        }});
  });

  CHECK(child.status == 2);
  CHECK(child.says("thrown: of the handler"));
}

TEST_CASE("the report names the chain of resources that led to the error") {
  const std::string report = last_words([] {
    spawn(
        [] {
          set_timeout(1ms, [] { throw std::runtime_error("boom"); });
          sleep_for(1h);
        },
        {.name = "starter"});
    sleep_for(1h);
  });

  CHECK(report.find("weft: uncaught error: boom (std::runtime_error)\n  in Timeout ") == 0);
  CHECK(report.find("started by FIBER") < report.find("'starter' (spawned at "));
  CHECK(report.find("'starter' (spawned at ") < report.find("'main' (spawned at "));
  CHECK(report.find("uncaught_test.cpp:") != std::string::npos);
}

TEST_CASE("an error of any type is described") {
  CHECK(last_words([] { next_tick([] { throw std::string("text"); }); }).find("'text'") !=
        std::string::npos);
  CHECK(last_words([] { next_tick([] { throw 4; }); }).find("type int") != std::string::npos);
}

TEST_CASE("a deadlock is an error that names the fibers, their waits and their places") {
  const std::string report = [] {
    try {
      test::run([] {
        auto stuck = spawn(
            [] {
              await<int>(
                  [](Callback<int> done) {
                    static Callback<int> kept;
                    kept = std::move(done);
                  },
                  detail::NoAbort{}, "the reply");
            },
            {.name = "client"});
        stuck.join();
      });
    } catch (const Deadlock& deadlock) {
      return std::string(deadlock.what());
    }
    return std::string("no deadlock");
  }();

  CHECK(report.find("deadlock") == 0);
  CHECK(report.find("'client' (spawned at ") != std::string::npos);
  CHECK(report.find("waits in the reply\n") != std::string::npos);
  CHECK(report.find("'main' (spawned at ") != std::string::npos);
  CHECK(report.find("waits in join for FIBER") != std::string::npos);
  CHECK(report.find("uncaught_test.cpp:") != std::string::npos);
}

TEST_CASE("a fiber parked while an unreferenced timer could wake it is no deadlock") {
  Callback<int> completed;
  Trace trace;

  test::run([&] {
    set_timeout(1ms, [&] { completed(1); }).unref();
    spawn([&] {
      try {
        await<int>([&](Callback<int> done) { completed = std::move(done); });
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("main that waits for what only an unreferenced timer could bring is a deadlock") {
  const auto wait_in_vain = [] {
    Callback<int> completed;
    set_timeout(1ms, [&] { completed(1); }).unref();
    await<int>([&](Callback<int> done) { completed = std::move(done); });
  };

  CHECK_THROWS_WITH_AS(test::run(wait_in_vain),
                       doctest::Contains("main waits, and only what is unreferenced"), Deadlock);
}

TEST_CASE("an error that nobody catches is printed once and ends the program with status 1") {
  // On a thread, as in main(), nobody stands between the error and the end.
  const test::ChildResult child = test::run_in_child([] {
    std::thread([] { run([] { throw std::runtime_error("no such customer"); }); }).join();
  });

  CHECK(child.status == 1);
  CHECK(child.says("uncaught error: no such customer"));
  CHECK_FALSE(child.says("terminate called"));
}

TEST_CASE("an error of the program's own still ends in its terminate handler") {
  const test::ChildResult child = test::run_in_child([] {
    std::thread([] {
      CHECK_THROWS(run([] { throw std::runtime_error("of the run"); }));
      throw std::runtime_error("of the program");
    }).join();
  });

  CHECK(child.status != 1);
  CHECK(child.says("terminate called"));
}

TEST_CASE("a hook that throws ends the process with status 1, as in Node") {
  const test::ChildResult child = test::run_in_child([] {
    auto hook = create_hook({.before = [](AsyncId) { throw std::runtime_error("bad hook"); }});
    run([&] {
      hook.enable();
      set_immediate([] {});
    });
  });

  CHECK(child.status == 1);
  CHECK(child.says("bad hook"));
}

TEST_CASE("a hook that throws is disabled if the options say so") {
  const test::ChildResult child = test::run_in_child([] {
    auto hook = create_hook({.before = [](AsyncId) { throw std::runtime_error("bad hook"); }});
    const int status = run(
        [&] {
          hook.enable();
          set_immediate([] {});
          sleep_for(1ms);
          return 0;
        },
        {.hook_errors = HookErrors::kDisable});
    if (status != 0) throw std::runtime_error("status");
  });

  CHECK(child.status == 0);
  CHECK(child.says("bad hook"));
  CHECK(child.errors.find("bad hook") == child.errors.rfind("bad hook"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
