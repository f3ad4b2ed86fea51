#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/await.h>
#include <weft/runtime/fiber.h>
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

TEST_SUITE_BEGIN("runtime/fiber");

TEST_CASE("yield lets the other ready fibers and microtasks run in the order they became ready") {
  Trace trace;

  test::run([&] {
    for (const char* name : {"a", "b"}) {
      spawn([&trace, name] {
        trace.push_back(std::string(name) + " 1");
        yield();
        trace.push_back(std::string(name) + " 2");
      });
    }
    queue_microtask([&] { trace.push_back("microtask"); });
    yield();
    trace.push_back("main");
  });

  CHECK(trace == Trace{"a 1", "b 1", "microtask", "main", "a 2", "b 2"});
}

TEST_CASE("yield returns at once when nothing else is ready") {
  HookRecorder recorder;

  test::run([&] {
    yield();
    yield();
  });

  CHECK(recorder.trace().back() == "destroy 1");
}

TEST_CASE("resumed_by is the resource whose callback made the fiber ready") {
  test::run([] {
    const AsyncId spawner = execution_async_id();
    AsyncId timer = 0;
    auto task = spawn([&] {
      CHECK(resumed_by() == spawner);
      await<int>([&](Callback<int> done) {
        timer = set_timeout(1ms, [done = std::move(done)]() mutable { done(1); }).async_id();
      });
      CHECK(resumed_by() == timer);
      CHECK(execution_async_id() != timer);
      yield();
      CHECK(resumed_by() == timer);
    });
    const AsyncId joined = task.async_id();
    task.join();
    CHECK(resumed_by() == joined);
  });
}

TEST_CASE("resumed_by is 0 outside of a fiber") {
  AsyncId in_callback = 1;

  test::run([&] { set_immediate([&] { in_callback = resumed_by(); }); });

  CHECK(in_callback == 0);
  CHECK(resumed_by() == 0);
}

TEST_CASE("enter_with lasts until the fiber ends") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      who.enter_with("entered");
      yield();
      sleep_for(1ms);
      trace.push_back("fiber sees " + seen(who));
    });
    yield();
    trace.push_back("spawner sees " + seen(who));
    task.join();
    trace.push_back("joiner sees " + seen(who));
  });

  CHECK(trace == Trace{"spawner sees none", "fiber sees entered", "joiner sees none"});
}

TEST_CASE("a fiber inherits the context of its spawn and keeps it, whatever wakes it") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    who.run("spawn", [&] {
      spawn([&] {
        trace.push_back("first " + seen(who));
        sleep_for(1ms);
        trace.push_back("woken " + seen(who));
      });
    });
    who.enter_with("main");
  });

  CHECK(trace == Trace{"first spawn", "woken spawn"});
}

TEST_CASE("a run around a suspension holds, and ends, in its own fiber only") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    for (const char* name : {"a", "b"}) {
      spawn([&trace, &who, name] {
        who.run(name, [&] {
          yield();
          trace.push_back(name + (" sees " + seen(who)));
        });
        yield();
        trace.push_back(name + (" after run sees " + seen(who)));
      });
    }
  });

  CHECK(trace == Trace{"a sees a", "b sees b", "a after run sees none", "b after run sees none"});
}

TEST_CASE("fibers suspended in catch blocks rethrow their own exceptions") {
  Trace trace;

  test::run([&] {
    for (const char* name : {"a", "b"}) {
      spawn([&trace, name] {
        try {
          try {
            throw std::runtime_error(name);
          } catch (...) {
            yield();
            throw;
          }
        } catch (const std::runtime_error& error) {
          trace.push_back(name + (std::string(" rethrows ") + error.what()));
        }
      });
    }
  });

  CHECK(trace == Trace{"a rethrows a", "b rethrows b"});
}

TEST_CASE("an exception caught in one fiber is not current in another") {
  test::run([] {
    spawn([] {
      try {
        throw 1;
      } catch (int) {
        sleep_for(5ms);
        CHECK(std::current_exception() != nullptr);
      }
    });
    yield();
    CHECK(std::current_exception() == nullptr);
    sleep_for(1ms);
    CHECK(std::current_exception() == nullptr);
  });
}

TEST_CASE("uncaught_exceptions counts those of the running fiber") {
  struct YieldsAtEnd {
    ~YieldsAtEnd() {
      yield();
      CHECK(std::uncaught_exceptions() == 1);
    }
  };
  int seen_by_other = -1;

  test::run([&] {
    spawn([] {
      try {
        const YieldsAtEnd guard;
        throw 1;
      } catch (int) {
        CHECK(std::uncaught_exceptions() == 0);
      }
    });
    spawn([&] { seen_by_other = std::uncaught_exceptions(); });
  });

  CHECK(seen_by_other == 0);
}

TEST_CASE("an exception that leaves a callback does not disturb a fiber in a catch block") {
  Trace trace;

  test::run(
      [&] {
        set_timeout(1ms, [] { throw std::runtime_error("callback"); });
        try {
          throw std::runtime_error("fiber");
        } catch (const std::runtime_error&) {
          sleep_for(2ms);
          trace.push_back(detail::describe_exception(std::current_exception()));
        }
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         trace.push_back(detail::describe_exception(error));
       }}});

  CHECK(trace == Trace{"callback (std::runtime_error)", "fiber (std::runtime_error)"});
}

TEST_CASE("a scope suspended in a fiber keeps its ids and its nesting") {
  HookRecorder recorder;
  Trace ids;

  test::run([&] {
    const auto work = [&] {
      AsyncResource job("JOB");
      job.run_in_async_scope([&] {
        yield();
        ids.push_back(recorder.name(execution_async_id()) + " is " + recorder.name(job.async_id()));
        CHECK(execution_async_resource() == &job);
      });
      ids.push_back("then " + recorder.name(execution_async_id()));
    };
    spawn(work);
    spawn(work);
    recorder.take();
  });

  CHECK(ids == Trace{"4 is 4", "then 2", "5 is 5", "then 3"});
  CHECK(recorder.trace() ==
        Trace{"resolve 1", "after 1",                                            //
              "before 2",  "init JOB 4 2", "before 4",  "after 4",   "after 2",  //
              "before 3",  "init JOB 5 3", "before 5",  "after 5",   "after 3",  //
              "before 2",  "before 4",     "after 4",   "resolve 2", "after 2",  //
              "before 3",  "before 5",     "after 5",   "resolve 3", "after 3",  //
              "destroy 1", "destroy 4",    "destroy 2", "destroy 5", "destroy 3"});
}

TEST_CASE("nested scopes are left from the innermost out and entered from the outermost in") {
  HookRecorder recorder;

  test::run([&] {
    AsyncResource outer("OUTER");
    AsyncResource inner("INNER");
    spawn([] {});
    recorder.take();
    outer.run_in_async_scope([&] { inner.run_in_async_scope([] { yield(); }); });
    recorder.note("left");
  });

  CHECK(recorder.take() == Trace{"before 2", "before 3",  "after 3",   "after 2",   "after 1",
                                 "before 4", "resolve 4", "after 4",   "before 1",  "before 2",
                                 "before 3", "after 3",   "after 2",   "left",      "resolve 1",
                                 "after 1",  "destroy 4", "destroy 3", "destroy 2", "destroy 1"});
}

TEST_CASE("code run in a fiber's resource sees the context the fiber was spawned in") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto task = who.run("spawner", [&] {
      return spawn([&] {
        AsyncResource& self = *execution_async_resource();
        who.enter_with("entered");
        self.run_in_async_scope([&] { trace.push_back("in scope " + seen(who)); });
        self.bind([&] { trace.push_back("bound " + seen(who)); })();
        trace.push_back("fiber " + seen(who));
      });
    });
    task.join();
  });

  CHECK(trace == Trace{"in scope spawner", "bound spawner", "fiber entered"});
}

TEST_CASE("the hooks of a slice see the fiber's context") {
  const AsyncLocal<std::string> who;
  Trace trace;
  AsyncId fiber = 0;
  const auto note = [&](const char* event) {
    return [&trace, &who, &fiber, event](AsyncId id) {
      if (id == fiber) trace.push_back(event + seen(who));
    };
  };
  auto hook = create_hook({.before = note("before "), .after = note("after ")});
  hook.enable();

  test::run([&] {
    auto task = who.run("fiber", [] { return spawn([] { sleep_for(1ms); }); });
    fiber = task.async_id();
    yield();
    yield();
    hook.disable();
  });

  CHECK(trace == Trace{"before fiber", "after fiber"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
