#include <chrono>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/runtime/error.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/testing/cancel_everywhere.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/complaint.h>

namespace weft {
namespace {

using test::contains;
using testing::cancel_everywhere;
using testing::TestFailure;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/testing_cancel");

template <typename Scenario>
std::string complaint_of(Scenario scenario) {
  try {
    cancel_everywhere(scenario);
  } catch (const TestFailure& failure) {
    return failure.what();
  }
  return {};
}

TEST_CASE("a scenario is cancelled at each of its points, before each, and each millisecond") {
  int runs = 0;
  const auto sweep = cancel_everywhere([&] {
    ++runs;
    yield();
    sleep_for(2ms);
  });

  CHECK(sweep.points == 2);
  CHECK(sweep.runs == 1 + 2 * 2 + 3);
  CHECK(runs == sweep.runs);
  CHECK(sweep.cuts >= 4);
}

TEST_CASE("a scenario that never waits is only run") {
  const auto sweep = cancel_everywhere([] {});

  CHECK(sweep.points == 0);
  CHECK(sweep.cuts == 0);
}

TEST_CASE("a fiber that a cancellation leaves waiting is found, with the point") {
  const std::string text = complaint_of([] {
    auto reply = std::make_shared<Event>();
    spawn([reply] { reply->wait(); }, {.name = "forgotten"}).detach();
    sleep_for(1ms);
    reply->set();
  });

  CHECK(contains(text, "cancel_everywhere, parked at point "));
  CHECK(contains(text, "'forgotten'"));
}

TEST_CASE("a context that is left behind by a cancellation is found") {
  const AsyncLocal<int> local;
  const std::string text = complaint_of([&] {
    local.enter_with(7);
    yield();
    local.disable();
  });

  CHECK(contains(text, "cancel_everywhere, "));
  CHECK(contains(text, "the context is another one after it"));
}

TEST_CASE("a Cancelled that belongs to no scope is found") {
  const std::string text = complaint_of([] {
    yield();
    throw Cancelled();
  });

  CHECK(contains(text, "not cancelled"));
  CHECK(contains(text, "Cancelled left the scope it was thrown for"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
