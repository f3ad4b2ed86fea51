#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("runtime/parking_lot");

// Fibers parked in `lot`, which write their names when they go on.
std::vector<Task<void>> park_in(ParkingLot& lot, Trace& trace,
                                const std::vector<std::string>& names) {
  std::vector<Task<void>> tasks;
  tasks.reserve(names.size());
  for (const std::string& name : names) {
    tasks.push_back(spawn([&lot, &trace, name] {
      try {
        lot.park();
      } catch (const Cancelled&) {
        trace.push_back(name + " cancelled");
        throw;
      }
      trace.push_back(name);
    }));
  }
  yield();
  return tasks;
}

TEST_CASE("unpark wakes as many as asked for, the first first") {
  Trace trace;

  test::run([&] {
    ParkingLot lot;
    auto tasks = park_in(lot, trace, {"a", "b", "c", "d"});
    CHECK(lot.unpark(2) == 2);
    yield();
    trace.push_back("the rest");
    CHECK(lot.unpark(9) == 2);
    for (auto& task : tasks) task.join();
  });

  CHECK(trace == Trace{"a", "b", "the rest", "c", "d"});
}

TEST_CASE("unparking an empty lot does nothing and is not remembered") {
  Trace trace;

  test::run([&] {
    ParkingLot lot;
    CHECK(lot.unpark(1) == 0);
    CHECK(lot.unpark_all() == 0);
    auto tasks = park_in(lot, trace, {"a"});
    CHECK(lot.size() == 1);
    CHECK(lot.unpark_all() == 1);
    CHECK(lot.is_empty());
    tasks[0].join();
  });

  CHECK(trace == Trace{"a"});
}

TEST_CASE("a fiber that parks again after its wake stands behind all others") {
  Trace trace;

  test::run([&] {
    ParkingLot lot;
    auto twice = spawn([&] {
      lot.park();
      trace.push_back("first time");
      lot.park();
      trace.push_back("second time");
    });
    yield();
    auto tasks = park_in(lot, trace, {"b"});
    lot.unpark(1);
    yield();
    lot.unpark(1);
    yield();
    lot.unpark(1);
    twice.join();
    tasks[0].join();
  });

  CHECK(trace == Trace{"first time", "b", "second time"});
}

TEST_CASE("reparked fibers wait on in the other lot, behind those of it") {
  Trace trace;

  test::run([&] {
    ParkingLot from;
    ParkingLot to;
    auto movers = park_in(from, trace, {"a", "b", "c"});
    auto old = park_in(to, trace, {"x"});
    CHECK(from.repark(to, 2) == 2);
    CHECK(from.size() == 1);
    CHECK(to.size() == 3);
    to.unpark_all();
    yield();
    trace.push_back("the other lot");
    from.unpark_all();
    for (auto& task : movers) task.join();
    old[0].join();
  });

  CHECK(trace == Trace{"x", "a", "b", "the other lot", "c"});
}

TEST_CASE("repark_all moves everybody; the first lot may go then") {
  Trace trace;

  test::run([&] {
    ParkingLot to;
    std::vector<Task<void>> tasks;
    {
      ParkingLot from;
      tasks = park_in(from, trace, {"a", "b"});
      CHECK(from.repark_all(to) == 2);
    }
    to.unpark_all();
    for (auto& task : tasks) task.join();
  });

  CHECK(trace == Trace{"a", "b"});
}

TEST_CASE("a reparked fiber that is cancelled leaves the lot it is in") {
  Trace trace;

  test::run([&] {
    ParkingLot from;
    ParkingLot to;
    auto tasks = park_in(from, trace, {"a", "b"});
    from.repark_all(to);
    tasks[0].cancel();
    CHECK(to.size() == 1);
    CHECK(to.unpark_all() == 1);
    tasks[1].join();
  });

  CHECK(trace == Trace{"a cancelled", "b"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
