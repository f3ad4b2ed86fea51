#include <chrono>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <weft/runtime/event.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using test::for_each_fault;
using test::Operations;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("faults/loop");

TEST_CASE("a loop begins and ends, or says why it cannot begin") {
  for_each_fault("an empty run", [](Operations&) {});
}

TEST_CASE("a loop that interrupts stop begins and ends, or says why it cannot begin") {
  for_each_fault("an empty run", [](Operations&) {}, {.stops_on_interrupt = true});
}

TEST_CASE("fibers that sleep go on, or spawn says that there is no stack") {
  for_each_fault("fibers and timers", [](Operations&) {
    int woken = 0;
    task_group([&](TaskGroup& group) {
      for (int i = 0; i < 3; ++i) {
        group.spawn([&woken, i] {
          sleep_for(1ms * i);
          ++woken;
        });
      }
      group.spawn([&] { ++woken; }, {.name = "large", .stack_bytes = 256 * 1024});
    });
    if (woken != 4) throw std::logic_error("a fiber was lost");
  });
}

TEST_CASE("what another thread posts runs once") {
  for_each_fault("a post",
                 [](Operations&) {
                   Event posted;
                   std::thread poster([loop = Loop::current(), keep = Loop::current().keep_alive(),
                                       &posted] { loop.post([&posted] { posted.set(); }); });
                   posted.wait();
                   poster.join();
                 },
                 {.real_clock = true});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
