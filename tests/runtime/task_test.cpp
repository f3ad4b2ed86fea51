#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/runtime/detail/sanitizer.h>
#include <weft/runtime/error.h>
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
using test::Mortal;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/task");

// The text of an error that nobody caught, and whose it was.
struct Uncaught {
  Trace trace;

  test::HarnessOptions options() {
    return {.run = {.on_uncaught = [this](const std::exception_ptr& error) {
              try {
                std::rethrow_exception(error);
              } catch (const std::exception& caught) {
                trace.push_back(std::string("uncaught ") + caught.what());
              }
            }}};
  }
};

TEST_CASE("join returns what the function returned") {
  int sum = 0;
  std::string text;

  test::run([&] {
    sum = spawn([] { return 1 + 2; }).join();
    text = *spawn([] { return std::make_unique<std::string>("moved"); }).join();
    spawn([] {}).join();
  });

  CHECK(sum == 3);
  CHECK(text == "moved");
}

TEST_CASE("fibers first run in the order they were spawned, when the spawner waits") {
  Trace trace;

  test::run([&] {
    auto first = spawn([&] { trace.push_back("first"); });
    spawn([&] { trace.push_back("second"); });
    trace.push_back("spawner");
    first.join();
    trace.push_back("joined");
  });

  CHECK(trace == Trace{"spawner", "first", "second", "joined"});
}

TEST_CASE("a dropped or detached task lets its fiber go on") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      sleep_for(2ms);
      trace.push_back("dropped ends");
    });
    auto task = spawn([&] {
      sleep_for(1ms);
      trace.push_back("detached ends");
    });
    task.detach();
    trace.push_back("main ends");
  });

  CHECK(trace == Trace{"main ends", "detached ends", "dropped ends"});
}

TEST_CASE("assigning to a task lets the fiber it held go on") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      yield();
      trace.push_back("first");
    });
    task = spawn([&] { trace.push_back("second"); });
    task.join();
  });

  CHECK(trace == Trace{"second", "first"});
}

TEST_CASE("done tells whether the fiber has ended") {
  test::run([] {
    auto task = spawn([] { yield(); });

    CHECK_FALSE(task.done());
    yield();
    CHECK_FALSE(task.done());
    task.join();
    CHECK(task.done());
  });
}

TEST_CASE("an error of the fiber passes through join") {
  Uncaught uncaught;

  test::run(
      [] {
        auto task = spawn([]() -> int { throw std::runtime_error("failed"); });
        CHECK_THROWS_WITH_AS(task.join(), "failed", std::runtime_error);
        CHECK(task.done());
      },
      uncaught.options());

  CHECK(uncaught.trace.empty());
}

TEST_CASE("joining a cancelled fiber fails with operation_canceled") {
  test::run([] {
    auto task = spawn([] { sleep_for(1h); });
    yield();
    task.cancel();

    try {
      task.join();
      FAIL("join returned");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::operation_canceled);
    }
  });
}

TEST_CASE("a second join is a usage error") {
  test::run([] {
    auto task = spawn([] { return 1; });
    CHECK(task.join() == 1);
    CHECK_THROWS_AS(task.join(), UsageError);

    auto failed = spawn([] { throw 1; });
    CHECK_THROWS_AS(failed.join(), int);
    CHECK_THROWS_AS(failed.join(), UsageError);
  });
}

TEST_CASE("two fibers cannot join the same one at once") {
  test::run([] {
    auto task = spawn([] { sleep_for(1ms); });
    auto other = spawn([&] { CHECK_THROWS_AS(task.join(), UsageError); });
    task.join();
    other.join();
  });
}

TEST_CASE("a fiber cannot join itself") {
  test::run([] {
    std::optional<Task<void>> self;
    self = spawn([&] { CHECK_THROWS_AS(self->join(), UsageError); });
    self->join();
  });
}

TEST_CASE("a callback cannot join a fiber that runs") {
  int calls = 0;

  test::run([&] {
    auto task = spawn([] { sleep_for(2ms); });
    set_timeout(1ms, [&] {
      CHECK_THROWS_AS(task.join(), UsageError);
      ++calls;
    });
    task.join();
  });

  CHECK(calls == 1);
}

TEST_CASE("a callback may take the result of a fiber that has ended") {
  int result = 0;

  test::run([&] {
    set_timeout(1ms, [&, task = spawn([] { return 7; })]() mutable { result = task.join(); });
  });

  CHECK(result == 7);
}

TEST_CASE("using a task that was detached or moved from is a usage error") {
  test::run([] {
    auto task = spawn([] {});
    auto other = std::move(task);
    CHECK_THROWS_AS(task.join(), UsageError);  // NOLINT(bugprone-use-after-move): what is tested
    CHECK_THROWS_AS(task.done(), UsageError);
    task.cancel();

    other.detach();
    CHECK_THROWS_AS(static_cast<void>(other.async_id()), UsageError);
    other.detach();
  });
}

TEST_CASE("the error of a dropped task's fiber goes to the handler in the fiber's context") {
  const AsyncLocal<std::string> who;
  Trace trace;
  AsyncId failed = 0;

  test::run(
      [&] {
        who.run("fiber", [&] {
          spawn([&] {
            failed = execution_async_id();
            throw std::runtime_error("boom");
          });
        });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) {
         trace.push_back("handler in " + seen(who));
         CHECK(execution_async_id() == failed);
       }}});

  CHECK(trace == Trace{"handler in fiber"});
}

TEST_CASE("a task dropped after its fiber failed hands the error to the handler") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run(
      [&] {
        auto task =
            who.run("fiber", [] { return spawn([] { throw std::runtime_error("boom"); }); });
        yield();
        REQUIRE(task.done());
        trace.push_back("drop in " + seen(who));
        task.detach();
        trace.push_back("dropped in " + seen(who));
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) {
         trace.push_back("handler in " + seen(who));
       }}});

  CHECK(trace == Trace{"drop in none", "handler in fiber", "dropped in none"});
}

TEST_CASE("a task may outlive the run: its result can still be taken") {
  std::optional<Task<std::string>> task;

  test::run([&] { task = spawn([] { return std::string("kept"); }); });

  CHECK(task->done());
  CHECK(task->join() == "kept");
  CHECK_THROWS_AS(task->join(), UsageError);
}

TEST_CASE("an error nobody took before the run's end is reported when the task is dropped") {
  const test::ChildResult child = test::run_in_child([] {
    std::optional<Task<void>> task;
    test::run([&] { task = spawn([] { throw std::runtime_error("late"); }); });
  });

  CHECK(child.status == 0);
  CHECK(child.says("late"));
}

TEST_CASE("what a fiber captured dies when its function ends, its result with the task") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&trace, captured = Mortal(trace, "capture")] {
      trace.push_back("runs");
      return std::make_unique<Mortal>(trace, "result");
    });
    yield();
    trace.push_back("ended");
    task.detach();
    trace.push_back("dropped");
  });

  CHECK(trace == Trace{"runs", "capture dies", "ended", "result dies", "dropped"});
}

TEST_CASE("what a fiber owns may wait while it dies") {
  struct Slow {
    Trace* trace;
    explicit Slow(Trace& into) : trace(&into) {}
    Slow(Slow&& other) noexcept : trace(std::exchange(other.trace, nullptr)) {}
    Slow& operator=(Slow&&) = delete;
    ~Slow() {
      if (trace == nullptr) return;
      sleep_for(1ms);
      trace->push_back("slow dies");
    }
  };
  const AsyncLocal<Slow> local;
  Trace trace;

  test::run([&] {
    spawn([&, captured = Slow(trace)] {
      local.enter_with(Slow(trace));
      const Slow here(trace);
      trace.push_back("runs");
    });
    sleep_for(10ms);
    trace.push_back("main ends");
  });

  CHECK(trace == Trace{"runs", "slow dies", "slow dies", "slow dies", "main ends"});
}

TEST_CASE("a result whose fiber's context owns the task dies on the fiber and may wait") {
  struct Slow {
    Trace* trace;
    explicit Slow(Trace& into) : trace(&into) {}
    Slow(Slow&& other) noexcept : trace(std::exchange(other.trace, nullptr)) {}
    Slow& operator=(Slow&&) = delete;
    ~Slow() {
      if (trace == nullptr) return;
      sleep_for(1ms);
      trace->push_back("result dies");
    }
  };
  struct Owner {
    std::optional<Task<Slow>> task = {};
  };
  const AsyncLocal<std::shared_ptr<Owner>> local;
  Trace trace;

  test::run([&] {
    auto owner = std::make_shared<Owner>();
    owner->task = local.run(owner, [&] { return spawn([&] { return Slow(trace); }); });
    owner.reset();
    yield();
    trace.push_back("main goes on");
  });

  CHECK(trace == Trace{"main goes on", "result dies"});
}

TEST_CASE("a fiber gets the stack it asks for") {
  test::run([] {
    spawn(
        [] {
          std::array<volatile std::byte, 300 * 1024> large;
          for (auto& byte : large) byte = std::byte{1};
          CHECK(large[1000] == std::byte{1});
        },
        {.stack_bytes = 1024 * 1024})
        .join();
  });
}

TEST_CASE("a capture that does not fit on the stack is a usage error") {
  test::run([] {
    const std::array<std::byte, 32 * 1024> large{};
    CHECK_THROWS_AS(spawn([large] { CHECK(large.empty()); }, {.stack_bytes = 32 * 1024}),
                    UsageError);
    spawn([] {}).join();
  });
}

TEST_CASE("a capture whose move throws leaves nothing behind") {
  struct Stubborn {
    Stubborn() = default;
    Stubborn(const Stubborn&) = default;
    Stubborn(Stubborn&& other) : moves(other.moves + 1) {
      if (moves > 0) throw std::runtime_error("does not move");
    }
    int moves = 0;
  };
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([] {
    const auto fn = [captured = Stubborn()] { CHECK(captured.moves == 0); };
    CHECK_THROWS_WITH(spawn(fn), "does not move");
    spawn([] {}).join();
  });

  CHECK(recorder.trace().empty());
}

#if !defined(WEFT_ASAN) && !defined(WEFT_TSAN)
TEST_CASE("a stack there is no memory for is bad_alloc, and spawning goes on") {
  const test::ChildResult child = test::run_in_child([] {
    const rlimit limit{256 << 20, 256 << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    test::run([] {
      const SpawnOptions huge{.stack_bytes = std::size_t{1} << 30};
      CHECK_THROWS_AS(spawn([] {}, huge), std::bad_alloc);
      if (spawn([] { return 5; }).join() != 5) throw std::runtime_error("no result");
    });
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}
#endif

TEST_CASE("a spawn whose fork of the context throws starts nothing and loses nothing") {
  bool fails = true;
  const AsyncLocal<int> local({.fork = [&](const int& value) {
    if (fails) throw std::runtime_error("no fork");
    return value + 1;
  }});
  Trace trace;

  test::run([&] {
    spawn([] {}).join();  // leaves a stack for the next one
    local.run(1, [&] {
      const auto body = [&] { trace.push_back("fiber " + std::to_string(local.value())); };
      for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(spawn(body), std::runtime_error);
      CHECK_THROWS_AS(spawn(body, {.name = "named"}), std::runtime_error);
      fails = false;
      spawn(body).join();
      spawn(body, {.name = "named"}).join();
    });
  });

  CHECK(trace == Trace{"fiber 2", "fiber 2"});
}

TEST_CASE("spawning outside of a loop is a usage error") {
  CHECK_THROWS_AS(spawn([] {}), UsageError);
}

TEST_CASE("a fiber is a resource with its spawner as trigger, resolved and destroyed") {
  HookRecorder recorder;

  test::run([&] {
    auto task = spawn([&] {
      recorder.note("runs as " + recorder.name(execution_async_id()) + " of " +
                    recorder.name(trigger_async_id()));
    });
    CHECK(recorder.name(task.async_id()) == "2");
    task.join();
  });

  CHECK(recorder.trace() == Trace{"init FIBER 1 0", "before 1", "init FIBER 2 1", "after 1",
                                  "before 2", "runs as 2 of 1", "resolve 2", "after 2", "before 1",
                                  "resolve 1", "after 1", "destroy 2", "destroy 1"});
}

TEST_CASE("the stacks of fibers that ended are used again") {
  std::vector<const void*> places;

  test::run([&] {
    for (int i = 0; i < 3; ++i) {
      spawn([&] {
        const int here = 0;
        places.push_back(&here);
      }).join();
    }
  });

  CHECK(places[0] == places[1]);
  CHECK(places[1] == places[2]);
}

TEST_CASE("the error of a fiber whose own context owns its task is told when the run ends") {
  struct Request {
    std::optional<Task<void>> task;
  };
  const AsyncLocal<std::shared_ptr<Request>> current;
  std::weak_ptr<Request> request;
  Trace trace;

  test::run(
      [&] {
        current.run(std::make_shared<Request>(), [&] {
          request = current.value();
          current.value()->task = spawn([] { throw std::runtime_error("boom"); });
        });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr&) { trace.push_back("told"); }}});

  CHECK(trace == Trace{"told"});
  CHECK(request.expired());
}

TEST_CASE("a context that owns a failed task goes when somebody has joined that") {
  struct Request {
    std::optional<Task<void>> task;
  };
  const AsyncLocal<std::shared_ptr<Request>> current;
  std::weak_ptr<Request> request;

  test::run([&] {
    Task<void>* task = nullptr;
    current.run(std::make_shared<Request>(), [&] {
      request = current.value();
      current.value()->task = spawn([] { throw std::runtime_error("boom"); });
      task = &*current.value()->task;
    });
    CHECK_THROWS_AS(task->join(), std::runtime_error);
    CHECK(request.expired());
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
