#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/queue.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::outcome_of_transfer;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/queue");

// Threads meet here: time is the real one, which no test reads.
template <std::invocable Body>
void run_for_real(Body body) {
  test::run(std::move(body), {.clock = detail::Clock::kReal});
}

TEST_CASE("values of another thread arrive in the order pushed, until it is gone") {
  std::vector<int> popped;
  std::thread pusher;

  run_for_real([&] {
    Queue<int> queue(3);
    pusher = std::thread([to = queue.producer()]() mutable {
      for (int i = 0; i < 500; ++i) to.push(i);
    });
    for (const int value : queue) popped.push_back(value);
    CHECK(queue.is_closed());
  });
  pusher.join();

  REQUIRE(popped.size() == 500);
  CHECK(std::is_sorted(popped.begin(), popped.end()));
}

TEST_CASE("every value is popped once, however many threads push and fibers pop") {
  constexpr int kThreads = 4;
  constexpr int kEach = 300;
  std::vector<int> popped;
  std::vector<std::thread> pushers;

  run_for_real([&] {
    Queue<int> queue(8);
    for (int thread = 0; thread < kThreads; ++thread) {
      pushers.emplace_back([to = queue.producer(), thread]() mutable {
        for (int i = 0; i < kEach; ++i) to.push(thread * kEach + i);
      });
    }
    std::vector<Task<void>> fibers;
    fibers.reserve(3);
    for (int i = 0; i < 3; ++i) {
      fibers.push_back(spawn([&] {
        while (auto value = queue.pop()) popped.push_back(*value);
      }));
    }
    for (auto& fiber : fibers) fiber.join();
  });
  for (std::thread& pusher : pushers) pusher.join();

  std::sort(popped.begin(), popped.end());
  REQUIRE(popped.size() == kThreads * kEach);
  CHECK(std::adjacent_find(popped.begin(), popped.end()) == popped.end());
}

TEST_CASE("fibers are served in the order they came, also those that come before the loop looks") {
  Trace trace;

  run_for_real([&] {
    Queue<int> queue(4);
    auto to = queue.producer();
    const auto popper = [&](const char* name) {
      return spawn([&, name] { trace.push_back(name + (" got " + std::to_string(*queue.pop()))); });
    };
    auto first = popper("first");
    auto second = popper("second");
    yield();
    for (int i = 1; i <= 3; ++i) to.try_push(i);
    CHECK_FALSE(queue.try_pop());
    popper("late").join();
  });

  CHECK(trace == Trace{"first got 1", "second got 2", "late got 3"});
}

TEST_CASE("many values cost one wake of the loop") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});
  std::size_t popped = 0;

  run_for_real([&] {
    Queue<int> queue(100);
    auto fiber = spawn([&] {
      while (queue.pop()) ++popped;
    });
    yield();
    auto to = queue.producer();
    for (int i = 0; i < 100; ++i) CHECK(to.try_push(i));
    to.close();
    fiber.join();
  });

  CHECK(popped == 100);
  const auto is_wake = [](const std::string& line) { return line.starts_with("init POST"); };
  CHECK(std::count_if(recorder.trace().begin(), recorder.trace().end(), is_wake) == 1);
}

TEST_CASE("push blocks the thread while the queue is full") {
  std::vector<int> popped;
  std::atomic<int> pushed = 0;
  std::thread pusher;

  run_for_real([&] {
    Queue<int> queue(2);
    pusher = std::thread([to = queue.producer(), &pushed]() mutable {
      for (int i = 1; i <= 5; ++i) {
        to.push(i);
        pushed = i;
      }
    });
    while (pushed < 2) std::this_thread::yield();
    CHECK(queue.statistics().size == 2);
    while (auto value = queue.pop()) {
      popped.push_back(*value);
      CHECK(pushed <= *value + 4);  // a batch in hand and a full queue
    }
  });
  pusher.join();

  CHECK(popped == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE("try_push on a full queue leaves the value to the caller") {
  run_for_real([] {
    Queue<std::unique_ptr<int>> queue(1);
    auto to = queue.producer();
    CHECK(to.try_push(std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK_FALSE(to.try_push(std::move(second)));

    REQUIRE(second != nullptr);
    CHECK(queue.statistics().size == 1);
    CHECK(**queue.try_pop() == 1);
    CHECK(to.try_push(std::move(second)));
  });
}

TEST_CASE("a closed queue refuses what is pushed and gives out what it has") {
  run_for_real([] {
    Queue<int> queue(2);
    auto to = queue.producer();
    to.try_push(1);
    to.close();
    to.close();

    CHECK(outcome_of_transfer([&] { to.try_push(2); }) == "broken pipe");
    CHECK(queue.pop() == 1);
    CHECK_FALSE(queue.pop());
    CHECK_FALSE(queue.try_pop());
  });
}

TEST_CASE("the last producer to go closes the queue, which wakes the fibers that wait") {
  Trace trace;
  std::thread pusher;

  run_for_real([&] {
    Queue<int> queue(2);
    auto fiber = spawn([&] { trace.push_back(queue.pop() ? "a value" : "none"); });
    yield();
    {
      const auto first = queue.producer();
      pusher = std::thread([copy = first] {});
    }
    fiber.join();
    CHECK(queue.statistics().producers == 0);
  });
  pusher.join();

  CHECK(trace == Trace{"none"});
}

TEST_CASE("a thread that blocks in push fails when the queue goes") {
  std::string ended;
  std::thread pusher;

  run_for_real([&] {
    auto queue = std::make_unique<Queue<int>>(1);
    pusher = std::thread([&, to = queue->producer()]() mutable {
      to.push(1);
      ended = outcome_of_transfer([&] { to.push(2); });
    });
    while (queue->statistics().size == 0) std::this_thread::yield();
    queue.reset();
  });
  pusher.join();

  CHECK(ended == "broken pipe");
}

TEST_CASE("a fiber that waits gets nullopt when the queue goes") {
  bool has_value = true;

  run_for_real([&] {
    auto queue = std::make_unique<Queue<int>>(1);
    auto fiber = spawn([&] { has_value = queue->pop().has_value(); });
    yield();
    queue.reset();
    fiber.join();
  });

  CHECK_FALSE(has_value);
}

TEST_CASE("a thread that runs a loop may try, and may not block") {
  run_for_real([] {
    Queue<int> queue(1);
    auto to = queue.producer();
    CHECK_THROWS_AS(to.push(1), UsageError);
    CHECK(to.try_push(1));
    CHECK_THROWS_AS(Queue<int>(0), UsageError);
  });
  CHECK_THROWS_AS(Queue<int>(1), UsageError);
}

TEST_CASE("a cancelled pop has taken nothing, also when a value was on its way") {
  Trace trace;

  run_for_real([&] {
    Queue<int> queue(2);
    auto to = queue.producer();
    auto cancelled = spawn([&] { trace.push_back(outcome_of_transfer([&] { queue.pop(); })); });
    auto behind = spawn([&] { trace.push_back("got " + std::to_string(*queue.pop())); });
    yield();
    to.try_push(1);
    cancelled.cancel();
    behind.join();
    CHECK(queue.statistics().waiting_consumers == 0);
  });

  CHECK(trace == Trace{"cancelled", "got 1"});
}

TEST_CASE("a stop ends those who wait at a queue, also inside a shield") {
  Trace trace;
  std::optional<Queue<int>::Producer> to;

  run_for_real([&] {
    Queue<int> queue(2);
    to = queue.producer();
    const auto wait_shielded = [&trace](auto wait) {
      return spawn(
          [&trace, wait] { shielded([&] { trace.push_back(outcome_of_transfer(wait)); }); });
    };
    auto pops = wait_shielded([&] { queue.pop(); });
    auto selects = wait_shielded([&] { select(on_pop(queue, [](auto&&) {})); });
    yield();
    Loop::current().stop();
    shielded([&] { CHECK_THROWS_AS(pops.join(), std::system_error); });
  });

  std::sort(trace.begin(), trace.end());  // the order of their ends is nobody's
  CHECK(trace == Trace{"queue pop: operation canceled (ECANCELED)",
                       "select: operation canceled (ECANCELED)"});
}

TEST_CASE("a producer that was moved from says so, and may be assigned to") {
  run_for_real([] {
    Queue<int> queue(1);
    auto from = queue.producer();
    auto to = std::move(from);
    // What is moved from is looked at on purpose.
    // NOLINTBEGIN(bugprone-use-after-move)
    CHECK_THROWS_AS(from.try_push(1), UsageError);
    CHECK_THROWS_AS(from.close(), UsageError);
    CHECK_THROWS_AS(static_cast<void>(from.is_closed()), UsageError);
    CHECK_THROWS_AS(static_cast<void>(Queue<int>::Producer{from}), UsageError);
    std::thread([&from] { CHECK_THROWS_AS(from.push(1), UsageError); }).join();
    // NOLINTEND(bugprone-use-after-move)
    from = to;
    CHECK(from.try_push(1));
    CHECK(queue.statistics().producers == 2);
  });
}

TEST_CASE("a queue keeps the loop alive only while a fiber waits at it") {
  std::optional<Queue<int>::Producer> kept;
  std::thread pusher;
  int value = 0;

  run_for_real([&] {
    auto queue = std::make_shared<Queue<int>>(1);
    kept = queue->producer();
    pusher = std::thread([to = *kept]() mutable { to.push(1); });
    spawn([&, queue] { value = *queue->pop(); });
  });
  pusher.join();

  CHECK(value == 1);
  CHECK(outcome_of_transfer([&] { kept->try_push(2); }) == "broken pipe");
}

TEST_CASE("a select takes from a queue, waits for it, and hears of its end") {
  Trace trace;
  std::thread pusher;

  run_for_real([&] {
    Queue<int> queue(2);
    Channel<int> silent(0);
    const auto take = [&] {
      return select(on_receive(silent, [](auto) { return std::string("silent"); }),
                    on_pop(queue, [](std::optional<int> value) {
                      return value ? std::to_string(*value) : "none";
                    }));
    };
    auto to = queue.producer();
    to.try_push(1);
    trace.push_back(take());
    pusher = std::thread([to = std::move(to)]() mutable { to.push(2); });
    for (int i = 0; i < 2; ++i) trace.push_back(take());
    CHECK(queue.statistics().waiting_consumers == 0);
    CHECK(silent.statistics().waiting_receivers == 0);
  });
  pusher.join();

  CHECK(trace == Trace{"1", "2", "none"});
}

TEST_CASE("a select that takes another case leaves a queue's values and its line") {
  run_for_real([] {
    Queue<int> queue(2);
    Channel<int> channel(1);
    auto to = queue.producer();
    auto selecting = spawn([&] {
      return select(on_pop(queue, [](auto) { return 0; }),
                    on_receive(channel, [](auto value) { return *value; }));
    });
    auto behind = spawn([&] { return queue.pop(); });
    yield();
    channel.send(7);
    to.try_push(1);

    CHECK(queue.statistics().waiting_consumers == 1);
    CHECK(selecting.join() == 7);
    CHECK(behind.join() == 1);
  });
}

TEST_CASE("a producer may outlive the loop") {
  std::optional<Queue<int>> queue;
  std::optional<Queue<int>::Producer> to;

  run_for_real([&] {
    queue.emplace(2);
    to = queue->producer();
    spawn([&] { outcome_of_transfer([&] { queue->pop(); }); });
    yield();
    Loop::current().stop();
  });

  CHECK(to->try_push(1));
  queue.reset();
  CHECK(outcome_of_transfer([&] { to->push(2); }) == "broken pipe");
}

TEST_CASE("pop returns in the fiber's own context") {
  const AsyncLocal<std::string> who;
  Trace trace;

  run_for_real([&] {
    Queue<int> queue(1);
    auto to = queue.producer();
    auto fiber = who.run("consumer", [&] {
      return spawn([&] {
        queue.pop();
        trace.push_back(seen(who));
      });
    });
    yield();
    who.run("producer", [&] { to.try_push(1); });
    fiber.join();
  });

  CHECK(trace == Trace{"consumer"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
