// What fibers wait for each other with, cancelled everywhere and in every order.
#include <chrono>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include <doctest/doctest.h>

#include <weft/runtime/barrier.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/latch.h>
#include <weft/runtime/once.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/queue.h>
#include <weft/runtime/select.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>

namespace weft {
namespace {

using test::sweep_and_shuffle;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/sync_sweep");

TEST_CASE("no permit of a semaphore is lost, wherever a waiter is cancelled") {
  Semaphore permits(1);
  sweep_and_shuffle(
      [&] {
        task_group([&](TaskGroup& group) {
          for (int i = 0; i < 3; ++i) {
            group.spawn([&] {
              const Semaphore::Permit permit(permits);
              yield();
            });
          }
        });
      },
      6);

  CHECK(permits.statistics().permits == 1);
  CHECK(permits.statistics().tasks_waiting == 0);
}

TEST_CASE("a shared mutex is free again, wherever a reader or writer is cancelled") {
  SharedMutex mutex;
  sweep_and_shuffle(
      [&] {
        int readers = 0;
        int writers = 0;
        task_group([&](TaskGroup& group) {
          for (int i = 0; i < 2; ++i) {
            group.spawn([&] {
              const std::shared_lock lock(mutex);
              ++readers;
              yield();
              CHECK(writers == 0);
              --readers;
            });
            group.spawn([&] {
              const std::unique_lock lock(mutex);
              ++writers;
              CHECK(readers == 0);
              sleep_for(1ms);
              --writers;
            });
          }
        });
      },
      6);

  CHECK_FALSE(mutex.statistics().locked);
  CHECK(mutex.statistics().tasks_waiting == 0);
}

TEST_CASE("an event, a latch and a barrier can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        Event opened;
        Latch arrived(2);
        Barrier barrier(2);
        task_group([&](TaskGroup& group) {
          for (int i = 0; i < 2; ++i) {
            group.spawn([&] {
              opened.wait();
              arrived.arrive_and_wait();
              barrier.arrive_and_wait();
            });
          }
          yield();
          opened.set();
          arrived.wait();
        });
        CHECK(opened.statistics().tasks_waiting == 0);
        CHECK(arrived.statistics().count == 0);
        CHECK(barrier.statistics().tasks_waiting == 0);
      },
      5);
}

TEST_CASE("a once runs its function to the end once, whoever is cancelled in it") {
  sweep_and_shuffle(
      [] {
        Once once;
        int done = 0;
        task_group([&](TaskGroup& group) {
          for (int i = 0; i < 3; ++i) {
            group.spawn([&] {
              once.call([&] {
                yield();
                ++done;
              });
              CHECK(done == 1);
            });
          }
        });
        CHECK(once.is_done());
      },
      4);
}

TEST_CASE("a parking lot loses nobody, wherever one is cancelled") {
  ParkingLot lot;
  sweep_and_shuffle(
      [&] {
        int left = 0;
        task_group([&](TaskGroup& group) {
          for (int i = 0; i < 3; ++i) {
            group.spawn([&] {
              lot.park("lot");
              ++left;
            });
          }
          while (left < 3) {
            yield();
            lot.unpark(1);
          }
        });
      },
      4);

  CHECK(lot.statistics().tasks_waiting == 0);
}

TEST_CASE("a queue gives each value once, wherever its consumer is cancelled") {
  sweep_and_shuffle(
      [] {
        Queue<int> queue(4);
        int sum = 0;
        task_group([&](TaskGroup& group) {
          group.spawn([&, to = queue.producer()]() mutable {
            for (int i = 1; i <= 3; ++i) {
              yield();
              to.try_push(i);
            }
            to.close();
          });
          select(on_pop(queue, [&](std::optional<int> value) { sum += value.value_or(0); }));
          while (const auto value = queue.pop()) sum += *value;
        });
        CHECK(sum == 6);
      },
      4);
}

TEST_CASE("a select of all kinds of cases can be cancelled anywhere, and takes one") {
  sweep_and_shuffle(
      [] {
        Channel<int> in(0);
        Channel<int> out(0);
        Queue<int> queue(1);
        int taken = 0;
        task_group([&](TaskGroup& group) {
          const auto choose = [&] {
            select(on_receive(in, [&](auto) { ++taken; }), on_send(out, 1, [&] { ++taken; }),
                   on_pop(queue, [&](auto) { ++taken; }), after(5ms, [&] { ++taken; }));
          };
          group.spawn(choose);
          group.spawn(choose);
          group.spawn([&] { in.send(1); });
          group.spawn([&] { out.receive(); });
          yield();
          choose();
          move_on_after(1ms, [&] { in.receive(); });
        });
        CHECK(taken == 3);
      },
      6);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
