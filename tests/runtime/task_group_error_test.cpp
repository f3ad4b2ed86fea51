#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/task_group_error");

[[noreturn]] void fail(const char* text) {
  throw std::runtime_error(text);
}

// What the errors of the group that `fn` throws say, in order.
template <typename F>
Trace errors_of(F&& fn) {
  Trace texts;
  try {
    fn();
  } catch (const GroupError& group) {
    for (const auto& error : group.errors()) {
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& single) {
        texts.push_back(single.what());
      } catch (...) {
        texts.push_back(detail::describe_current_exception());
      }
    }
  }
  return texts;
}

TEST_CASE("a failing task cancels the others and the body, and arrives in a group") {
  Trace trace;

  test::run([&] {
    const Trace texts = errors_of([&] {
      task_group([&](TaskGroup& group) {
        group.spawn([&] { trace.push_back("sibling " + outcome([] { sleep_for(1h); })); });
        group.spawn([] {
          sleep_for(1ms);
          fail("broken");
        });
        trace.push_back("body " + outcome([] { sleep_for(1h); }));
      });
    });
    CHECK(texts == Trace{"broken"});
  });

  CHECK(trace == Trace{"body cancelled", "sibling cancelled"});
}

TEST_CASE("the errors of all tasks and of the body arrive together, in the order thrown") {
  Trace texts;

  test::run([&] {
    texts = errors_of([] {
      task_group([](TaskGroup& group) {
        group.spawn([] {
          try {
            sleep_for(1h);
          } catch (const Cancelled&) {
            fail("cleanup");
          }
        });
        group.spawn([] { throw 7; });
        static_cast<void>(outcome([] { sleep_for(1h); }));
        fail("body");
      });
    });
  });

  CHECK(texts == Trace{"an exception of type int", "body", "cleanup"});
}

TEST_CASE("a failing body cancels the tasks and waits for them") {
  Trace trace;

  test::run([&] {
    const Trace texts = errors_of([&] {
      task_group([&](TaskGroup& group) {
        group.spawn([&] {
          static_cast<void>(outcome([] { sleep_for(1h); }));
          shielded([] { sleep_for(5ms); });
          trace.push_back("cleaned up");
        });
        yield();
        fail("body");
      });
    });
    trace.push_back(texts.front());
  });

  CHECK(trace == Trace{"cleaned up", "body"});
}

TEST_CASE("a group error lists every failure, nested groups indented") {
  std::string text;

  test::run([&] {
    try {
      task_group([](TaskGroup& group) {
        group.spawn([] { fail("one"); });
        group.spawn([] { task_group([](TaskGroup& inner) { inner.spawn([] { fail("two"); }); }); });
      });
    } catch (const GroupError& error) {
      text = error.what();
    }
  });

  CHECK(text ==
        "2 tasks of a group failed:\n"
        "  one (std::runtime_error)\n"
        "  a task of a group failed:\n"
        "    two (std::runtime_error)");
}

TEST_CASE("a copy of a group error shares the errors") {
  const GroupError error({std::make_exception_ptr(std::runtime_error("a"))});
  const GroupError copy = error;

  CHECK(copy.errors().data() == error.errors().data());
  CHECK(std::string(copy.what()) == error.what());
}

TEST_CASE("a failure counts more than a cancellation from outside") {
  Trace trace;

  test::run([&] {
    move_on_after(10ms, [&] {
      trace = errors_of([] {
        task_group([](TaskGroup& group) {
          group.spawn([] {
            static_cast<void>(outcome([] { sleep_for(1h); }));
            fail("while cancelled");
          });
          sleep_for(1h);
        });
      });
      trace.push_back(outcome([] { yield(); }));
    });
  });

  CHECK(trace == Trace{"while cancelled", "cancelled"});
}

TEST_CASE("a group inside a group: an inner failure arrives at the outer one as a group") {
  Trace trace;

  test::run([&] {
    try {
      task_group([&](TaskGroup& outer) {
        outer.spawn([&] { trace.push_back("sibling " + outcome([] { sleep_for(1h); })); });
        outer.spawn([] {
          task_group([](TaskGroup& inner) {
            inner.spawn([] { sleep_for(1h); });
            inner.spawn([] { fail("deep"); });
          });
        });
      });
    } catch (const GroupError& error) {
      REQUIRE(error.errors().size() == 1);
      trace.push_back(errors_of([&] { std::rethrow_exception(error.errors().front()); }).front());
    }
  });

  CHECK(trace == Trace{"sibling cancelled", "deep"});
}

TEST_CASE("the error of a joined task counts once, and also reaches joiners outside") {
  Trace trace;

  test::run([&] {
    std::optional<Task<void>> task;
    auto outside = spawn([&] {
      yield();
      try {
        task->join();
      } catch (const std::exception& error) {
        trace.push_back(std::string("outside ") + error.what());
      }
    });
    trace = errors_of([&] {
      task_group([&](TaskGroup& group) {
        task = group.spawn([] {
          sleep_for(5ms);
          fail("broken");
        });
        sleep_for(1h);
      });
    });
    outside.join();
  });

  CHECK(trace == Trace{"broken", "outside broken"});
}

TEST_CASE("a body that joins a failing task is cancelled, not told twice") {
  Trace trace;
  Trace texts;

  test::run([&] {
    texts = errors_of([&] {
      task_group([&](TaskGroup& group) {
        auto task = group.spawn([] { fail("broken"); });
        trace.push_back(outcome([&] { task.join(); }));
      });
    });
  });

  CHECK(trace == Trace{"cancelled"});
  CHECK(texts == Trace{"broken"});
}

TEST_CASE("an error that the body rethrows from a join counts once") {
  Trace texts;

  test::run([&] {
    texts = errors_of([] {
      task_group([](TaskGroup& group) {
        auto task = group.spawn([] { fail("broken"); });
        shielded([&] { task.join(); });
      });
    });
  });

  CHECK(texts == Trace{"broken"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
