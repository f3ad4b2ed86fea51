// What a timer and an immediate keep when they have ended.
#include <chrono>
#include <memory>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/timers_kept");

TEST_CASE("a timer that fired keeps its callback for refresh, to the end of the run at most") {
  struct Connection {
    Timeout idle;
    Immediate soon;
  };
  std::weak_ptr<Connection> timed;
  std::weak_ptr<Connection> queued;
  int fired = 0;

  test::run([&] {
    auto first = std::make_shared<Connection>();
    first->idle = set_timeout(1ms, [first, &fired] { ++fired; });
    timed = std::exchange(first, nullptr);
    auto second = std::make_shared<Connection>();
    second->soon = set_immediate([second] {});
    queued = std::exchange(second, nullptr);
    sleep_for(2ms);
    CHECK(queued.expired());

    timed.lock()->idle.refresh();
    sleep_for(2ms);
    CHECK(fired == 2);
    CHECK_FALSE(timed.expired());
  });

  CHECK(timed.expired());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
