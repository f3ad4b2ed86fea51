#include <array>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/await.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/combinators.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/retry.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>
#include <weft/tests/support/outcome.h>

namespace weft {
namespace {

using test::outcome;
using test::sweep_and_shuffle;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/cancel_sweep");

// Calls a function whose errors, but not whose cancellation, are part of the scenario.
template <typename F>
void ignore_errors(F&& fn) {
  try {
    fn();
  } catch (const std::exception&) {
  }
}

TEST_CASE("sleeps and yields can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        sleep_for(2ms);
        auto other = spawn([] { yield(); });
        yield();
        yield();
        sleep_until(now() + 2ms);
        other.join();
      },
      5);
}

TEST_CASE("joins can be cancelled anywhere, and the joined task goes on") {
  int ended = 0;
  sweep_and_shuffle(
      [&] {
        auto slow = spawn([&] {
          sleep_for(3ms);
          ++ended;
          return std::string("result");
        });
        auto quick = spawn([&] {
          yield();
          ++ended;
        });
        quick.join();
        const std::string result = slow.join();
        CHECK(result == "result");
      },
      4);

  CHECK(ended % 2 == 0);
}

TEST_CASE("a task that is cancelled by hand and by its surroundings ends once") {
  sweep_and_shuffle(
      [] {
        auto task = spawn([] { sleep_for(1h); });
        sleep_for(1ms);
        task.cancel();
        ignore_errors([&] { task.join(); });
      },
      3);
}

TEST_CASE("awaits can be cancelled anywhere, with an abort and without") {
  sweep_and_shuffle(
      [] {
        await<void>([](Callback<void> done) {
          set_timeout(2ms, [done = std::move(done)]() mutable { done({}); });
        });
        Callback<int> held;
        Timeout timer;
        ignore_errors([&] {
          await<int>(
              [&](Callback<int> done) {
                held = std::move(done);
                timer = set_timeout(2ms, [&] { held(7); });
              },
              [&] {
                timer.clear();
                held(detail::uv_error(UV_ECANCELED, "op"));
              });
        });
        await<void>([](Callback<void> done) {
          next_tick([done = std::move(done)]() mutable { done({}); });
        });
      },
      3);
}

TEST_CASE("an abort that takes its time can come anywhere") {
  sweep_and_shuffle(
      [] {
        Callback<int> held;
        Timeout completes;
        await<int>(
            [&](Callback<int> done) {
              held = std::move(done);
              completes = set_timeout(2ms, [&] { held(7); });
            },
            [&] {
              completes.clear();
              set_timeout(1ms, [&] { held(detail::uv_error(UV_ECANCELED, "op")); });
            });
        yield();
      },
      1);
}

TEST_CASE("task groups can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        ignore_errors([] {
          task_group([](TaskGroup& group) {
            group.spawn([&group] {
              sleep_for(1ms);
              group.spawn([] { sleep_for(2ms); });
              yield();
            });
            group.spawn([] {
              task_group([](TaskGroup& inner) {
                inner.spawn([] { sleep_for(1ms); });
                inner.spawn([] {
                  sleep_for(2ms);
                  throw std::runtime_error("inner");
                });
                sleep_for(5ms);
              });
            });
            auto joined = group.spawn([] { sleep_for(1ms); });
            joined.join();
          });
        });
      },
      10);
}

TEST_CASE("a group left by its own cancel can be cancelled from outside anywhere") {
  sweep_and_shuffle(
      [] {
        task_group([](TaskGroup& group) {
          group.spawn([] { sleep_for(1h); });
          group.spawn([&group] {
            sleep_for(2ms);
            group.cancel();
          });
          sleep_for(1h);
        });
        sleep_for(1ms);
      },
      5);
}

TEST_CASE("nested scopes, shields and deadlines can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        move_on_after(2ms, [] {
          CancelScope inner({.deadline = now() + 1ms});
          inner.run([] { sleep_for(1h); });
          shielded([] { sleep_for(3ms); });
          yield();
        });
        ignore_errors([] { with_timeout(1ms, [] { sleep_for(1h); }); });
        static_cast<void>(outcome([] { sleep_for(1ms); }));
        sleep_for(1ms);
      },
      5);
}

TEST_CASE("destructors that wait can be cancelled around anywhere") {
  struct WaitsAtEnd {
    ~WaitsAtEnd() {
      shielded([] {
        spawn([] { sleep_for(1ms); }).join();
        task_group([](TaskGroup& group) { group.spawn([] { sleep_for(1ms); }); });
      });
    }
  };
  sweep_and_shuffle(
      [] {
        const WaitsAtEnd outer;
        ignore_errors([] {
          const WaitsAtEnd inner;
          sleep_for(1ms);
          throw std::runtime_error("unwinds");
        });
        sleep_for(1ms);
      },
      4);
}

TEST_CASE("a wait in a destructor that unwinds is never cancelled") {
  struct WaitsAtEnd {
    int& cleaned_up;
    ~WaitsAtEnd() {
      sleep_for(1ms);
      ++cleaned_up;
    }
  };
  int begun = 0;
  int cleaned_up = 0;
  sweep_and_shuffle(
      [&] {
        ignore_errors([&] {
          ++begun;
          const WaitsAtEnd cleanup{cleaned_up};
          throw std::runtime_error("unwinds");
        });
        yield();
      },
      2);

  CHECK(cleaned_up == begun);
}

TEST_CASE("combinators can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        const auto in = [](std::chrono::milliseconds time) {
          return [time] {
            sleep_for(time);
            return 1;
          };
        };
        all(in(1ms), in(2ms));
        any(in(1ms), [] {
          yield();
          throw std::runtime_error("loses");
          return 1;
        });
        race(in(1ms), in(2ms));
        map_concurrent(std::vector{1, 1, 1}, 2, [&](int n) { in(n * 1ms)(); });
        int failures = 2;
        retry({.backoff = 1ms}, [&] {
          yield();
          if (failures-- > 0) throw std::runtime_error("again");
        });
      },
      15);
}

TEST_CASE("promises can be cancelled anywhere while fibers await them") {
  sweep_and_shuffle(
      [] {
        Promise<int> promise;
        const auto future = promise.future();
        task_group([&](TaskGroup& group) {
          group.spawn([&] { future.await(); });
          yield();
          promise.resolve(4);
          const int value = future.await();
          CHECK(value == 4);
        });
      },
      3);
}

TEST_CASE("waits for a mutex and a condition can be cancelled anywhere") {
  Mutex mutex;
  ConditionVariable changed;
  sweep_and_shuffle(
      [&] {
        bool is_ready = false;
        task_group([&](TaskGroup& group) {
          group.spawn([&] {
            const std::scoped_lock lock(mutex);
            is_ready = true;
            changed.notify_all();
            yield();
          });
          std::unique_lock lock(mutex);
          while (!is_ready) changed.wait(mutex);
        });
        const std::scoped_lock again(mutex);
      },
      3);

  CHECK_FALSE(mutex.statistics().locked);
  CHECK(mutex.statistics().tasks_waiting == 0);
}

TEST_CASE("channels can be cancelled anywhere, and what was sent is received once") {
  sweep_and_shuffle(
      [] {
        Channel<int> numbers(0);
        Channel<int> more(1);
        int sum = 0;
        task_group([&](TaskGroup& group) {
          group.spawn([&] {
            for (int i = 0; i < 3; ++i) numbers.send(i);
            more.send(7);
            numbers.close();
          });
          while (const auto number = numbers.receive()) sum += *number;
          select(on_receive(more, [&](std::optional<int> number) { sum += number.value_or(0); }),
                 after(1s, [] {}));
        });
        CHECK(sum == 10);
      },
      4);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
