#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/active_resources.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/active_resources");

Trace types() {
  Trace types;
  for (const ActiveResource& one : active_resources()) types.push_back(one.type);
  return types;
}

TEST_CASE("timers and immediates are named while they keep the loop alive") {
  test::run([] {
    CHECK(types().empty());
    Timeout timer = set_timeout(1h, [] {});
    Immediate immediate = set_immediate([] {});
    CHECK(types() == Trace{"Timeout", "Immediate"});

    timer.unref();
    CHECK(types() == Trace{"Immediate"});
    immediate.clear();
    timer.ref();
    sleep_for(5ms);
    const auto active = active_resources();
    REQUIRE(active.size() == 1);
    CHECK(active[0].age == 5ms);
    CHECK(active[0].to_string() ==
          "Timeout " + std::to_string(active[0].async_id) + ", open for 5 ms, triggered by 1");
    timer.clear();
    CHECK(types().empty());
  });
}

TEST_CASE("a fiber that sleeps is named, and so is its timer, with the line of the spawn") {
  test::run([&] {
    const int line = __LINE__ + 1;
    auto sleeper = spawn([] { sleep_for(1h); });
    yield();

    const auto active = active_resources();
    REQUIRE(active.size() == 2);
    CHECK(active[0].type == "FIBER");
    CHECK(active[0].waits_in == "sleep_for");
    CHECK(active[0].created_at.line == line);
    CHECK(active[1].type == "Timeout");
    CHECK(active[1].created_at.line == line);
    sleeper.cancel();
  });
}

TEST_CASE("a fiber that waits under a deadline is named, which alone keeps the loop alive") {
  std::vector<ActiveResource> active;

  test::run([&] {
    set_immediate([&] { active = active_resources(); });
    Channel<int> never(0);
    move_on_after(50ms, [&] { never.receive(); });
  });

  REQUIRE(active.size() == 1);
  CHECK(active[0].to_string().starts_with("FIBER "));
  CHECK(active[0].to_string().find(", waits in channel receive, created at ") != std::string::npos);
}

TEST_CASE("a function on a pool is named until it has ended") {
  test::run([] {
    std::promise<void> may_end;
    auto task = spawn([&] { offload([&] { may_end.get_future().wait(); }); });
    yield();

    CHECK(types() == Trace{"FIBER", "OFFLOAD"});
    may_end.set_value();
    task.join();
    CHECK(types().empty());
  });
}

TEST_CASE("the oldest come first") {
  test::run([] {
    Timeout first = set_timeout(2h, [] {});
    Timeout second = set_timeout(1h, [] {});
    const auto active = active_resources();

    REQUIRE(active.size() == 2);
    CHECK(active[0].async_id < active[1].async_id);
    first.clear();
    second.clear();
  });
}

TEST_CASE("active_resources outside of a loop throws") {
  CHECK_THROWS_AS(active_resources(), UsageError);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
