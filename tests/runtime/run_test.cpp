#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/run");

TEST_CASE("run returns what main returned, or 0") {
  CHECK(run([] { return 3; }) == 3);
  CHECK(run([] {}) == 0);
}

TEST_CASE("run returns when nothing keeps the loop alive") {
  Trace trace;

  run([&] {
    spawn([&] {
      sleep_for(1ms);
      trace.push_back("fiber");
    });
    trace.push_back("main");
  });

  CHECK(trace == Trace{"main", "fiber"});
}

TEST_CASE("an exception that leaves main leaves run") {
  const test::ChildResult child =
      test::run_in_child([] { run([] { throw std::runtime_error("no luck"); }); });

  CHECK(child.status == 2);
  CHECK(child.says("thrown: no luck (std::runtime_error)"));
}

TEST_CASE("a run inside a run is a usage error that says to spawn") {
  test::run([] {
    CHECK_THROWS_WITH_AS(run([] {}), doctest::Contains("spawn()"), UsageError);
    spawn([] {}).join();
  });
}

TEST_CASE("main inherits the context run was called in, and leaves it as it was") {
  const AsyncLocal<std::string> who;
  Trace trace;

  who.run("outer", [&] {
    run([&] {
      trace.push_back("main in " + seen(who));
      who.enter_with("inner");
      spawn([&] { trace.push_back("fiber in " + seen(who)); });
    });
    trace.push_back("after in " + seen(who));
  });

  CHECK(trace == Trace{"main in outer", "fiber in inner", "after in outer"});
}

TEST_CASE("a thread may run one loop after another; ids do not repeat") {
  AsyncId first = 0;
  AsyncId second = 0;

  run([&] { first = execution_async_id(); });
  run([&] { second = execution_async_id(); });

  CHECK(first != second);
  CHECK(execution_async_id() == 0);
}

TEST_CASE("main runs on a stack of the size the options say") {
  run(
      [] {
        volatile char large[3 << 20];
        large[0] = 1;
        CHECK(large[0] == 1);
      },
      {.main_stack_bytes = 4 << 20});
}

TEST_CASE("any resume budget runs everything") {
  Trace trace;

  for (const unsigned budget : {0U, 1U, 0x7fff'ffffU, 0x8000'0000U, 0xffff'ffffU}) {
    test::run(
        [&] {
          queue_microtask([&] { trace.push_back("microtask"); });
          spawn([&] {
            yield();
            trace.push_back("fiber");
          });
        },
        {.run = {.resume_budget = budget}});
    CHECK(trace == Trace{"microtask", "fiber"});
    trace.clear();
  }
}

TEST_CASE("a stack as large as the address space is bad_alloc, and the next run is fine") {
  constexpr std::size_t kTooLarge = ~std::size_t{0};

  CHECK_THROWS_AS(run([] {}, {.stack_bytes = kTooLarge}), std::bad_alloc);
  CHECK_THROWS_AS(run([] {}, {.main_stack_bytes = kTooLarge}), std::bad_alloc);
  test::run([] {
    CHECK_THROWS_AS(spawn([] {}, {.stack_bytes = kTooLarge}), std::bad_alloc);
    CHECK(spawn([] { return 5; }).join() == 5);
  });
}

TEST_CASE("a stack of one byte is rounded up to what a fiber needs") {
  int sum = 0;

  run(
      [&] {
        sum = spawn([] { return 2; }).join() + spawn([] { return 3; }, {.stack_bytes = 1}).join();
      },
      {.stack_bytes = 1});

  CHECK(sum == 5);
}

TEST_CASE("stop ends the run in order and is no error") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      try {
        sleep_for(1h);
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    set_timeout(1h, [] { FAIL("fired"); });
    Loop::current().stop();
    trace.push_back("stop does not interrupt main");
  });

  CHECK(trace == Trace{"stop does not interrupt main", "cancelled"});
}

TEST_CASE("an interrupt stops the run in order if the options say so") {
  Trace trace;

  for (const int signal : {SIGINT, SIGTERM}) {
    const int status = run(
        [&] {
          set_timeout(1ms, [&] { std::raise(signal); });
          try {
            sleep_for(1h);
          } catch (const Cancelled&) {
            trace.push_back("cancelled");
          }
          return 5;
        },
        {.stop_on_interrupt = true});
    CHECK(status == 5);
  }

  CHECK(trace == Trace{"cancelled", "cancelled"});
}

TEST_CASE("a second interrupt ends the process, whatever the first one waits for") {
  int first = 0;
  int second = 0;
  SUBCASE("the same") {
    first = second = SIGTERM;
  }
  SUBCASE("another") {
    first = SIGTERM;
    second = SIGINT;
  }

  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    run(
        [&] {
          ::kill(::getpid(), first);
          test::outcome([] { sleep_for(1h); });  // the stop
          ::kill(::getpid(), second);
          for (;;) ::pause();
        },
        {.stop_on_interrupt = true});
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);

  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == second);
}

TEST_CASE("what the destructors of dropped callbacks start at the very end is ended as well") {
  struct StartsMore {
    ~StartsMore() {
      set_timeout(1h, [] { FAIL("fired"); });
    }
  };
  int alive = 0;
  auto hook =
      create_hook({.init = [&](AsyncId, std::string_view, AsyncId, AsyncResource&) { ++alive; },
                   .destroy = [&](AsyncId) { --alive; }});
  hook.enable();

  test::run([] {
    Loop::current().stop();
    Loop::current().post([] { set_immediate([dropped = std::make_unique<StartsMore>()] {}); });
  });

  CHECK(alive == 0);
}

TEST_CASE("a SIGSEGV that somebody raises ends the process during a run, too") {
  const test::ChildResult child = test::run_in_child([] { run([] { std::raise(SIGSEGV); }); });

  CHECK(child.crashed());
}

TEST_CASE("SIGPIPE is ignored") {
  struct sigaction current {};

  run([] {});

  REQUIRE(::sigaction(SIGPIPE, nullptr, &current) == 0);
  CHECK((current.sa_handler == SIG_IGN));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
