#include <memory>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/testing/run_test.h>
#include <weft/runtime/testing/suspends.h>
#include <weft/runtime/timers.h>

namespace weft {
namespace {

using testing::assert_no_suspends;
using testing::assert_suspends;
using testing::run_test;
using testing::TestFailure;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/testing_suspends");

TEST_CASE("a call that waits suspends, and its result arrives") {
  run_test([] {
    Channel<int> channel(1);
    spawn([&] { channel.send(7); }).detach();

    CHECK(assert_suspends([&] { return channel.receive(); }) == std::optional<int>(7));
    assert_suspends([] { sleep_for(1ms); });
  });
}

TEST_CASE("a yield suspends, whether or not somebody else is ready") {
  run_test([] {
    assert_suspends([] { yield(); });
    spawn([] {}).detach();
    assert_suspends([] { yield(); });
  });
}

TEST_CASE("a call that finds all it needs does not suspend") {
  run_test([] {
    Event event;
    event.set();

    assert_no_suspends([&] { event.wait(); });
    CHECK(*assert_no_suspends([] { return std::make_unique<int>(7); }) == 7);
  });
}

TEST_CASE("what was asserted wrongly fails with the place of the assertion") {
  run_test([] {
    const std::string file = "testing_suspends_test.cpp:";
    try {
      assert_suspends([] {});
      FAIL("nothing was thrown");
    } catch (const TestFailure& failure) {
      CHECK(std::string(failure.what()).find(file) != std::string::npos);
    }
    CHECK_THROWS_AS(assert_no_suspends([] { yield(); }), TestFailure);
    CHECK_THROWS_AS(assert_suspends([] { return 7; }), TestFailure);
  });
}

TEST_CASE("what other fibers do meanwhile does not count") {
  run_test([] {
    auto other = spawn([] {
      assert_suspends([] { yield(); });
      assert_no_suspends([] {});
    });
    assert_suspends([&] { other.join(); });
  });
}

TEST_CASE("a reference comes back as one") {
  run_test([] {
    int number = 7;
    int& same = assert_suspends([&]() -> int& {
      yield();
      return number;
    });

    CHECK(&same == &number);
  });
}

TEST_CASE("outside of a fiber there is nothing to suspend") {
  CHECK_THROWS_AS(assert_suspends([] {}), UsageError);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
