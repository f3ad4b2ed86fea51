#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/runtime/combinators.h>
#include <weft/runtime/retry.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::outcome;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/combinators");

// A function that takes `time`, then returns `value` or, for a negative one, fails; it
// notes when it is cancelled.
auto work(Trace& trace, std::chrono::milliseconds time, int value) {
  return [&trace, time, value] {
    try {
      sleep_for(time);
    } catch (const Cancelled&) {
      trace.push_back(std::to_string(value) + " cancelled");
      throw;
    }
    if (value < 0) throw std::runtime_error("failed with " + std::to_string(value));
    return value;
  };
}

TEST_CASE("all returns the results in the order of the functions") {
  test::run([] {
    Trace trace;
    const auto began = now();
    const auto [slow, quick, none] = all(
        work(trace, 20ms, 1), [] { return std::string("two"); }, [] {});

    CHECK(slow == 1);
    CHECK(quick == "two");
    CHECK(none == std::monostate());
    CHECK(now() - began == 20ms);
  });
}

TEST_CASE("all of a range returns a vector, in the order of the range") {
  test::run([] {
    Trace trace;
    const std::vector<std::function<int()>> fns = {work(trace, 20ms, 1), work(trace, 10ms, 2)};
    int calls = 0;
    const std::vector<std::function<void()>> voids(3, [&] { ++calls; });

    CHECK(all(fns) == std::vector<int>{1, 2});
    all(voids);
    CHECK(calls == 3);
    CHECK(all() == std::tuple<>());
    CHECK(all(std::vector<std::function<int()>>()).empty());
  });
}

TEST_CASE("all cancels the others when one fails, and throws a group") {
  Trace trace;

  test::run([&] {
    try {
      all(work(trace, 20ms, 1), work(trace, 10ms, -2), work(trace, 30ms, 3));
      FAIL("it returned");
    } catch (const GroupError& error) {
      CHECK(error.errors().size() == 1);
    }
  });

  CHECK(trace == Trace{"1 cancelled", "3 cancelled"});
}

TEST_CASE("any returns the first result and cancels the others; failures do not count") {
  Trace trace;
  std::vector<std::function<int()>> fns;

  test::run([&] {
    CHECK(any(work(trace, 10ms, -1), work(trace, 30ms, 2), work(trace, 20ms, 3)) == 3);
    fns = {work(trace, 10ms, -4), work(trace, 30ms, 5), work(trace, 20ms, 6)};
    CHECK(any(fns) == 6);
  });

  CHECK(trace == Trace{"2 cancelled", "5 cancelled"});
}

TEST_CASE("any throws all failures as a group when nothing succeeded") {
  Trace trace;

  test::run([&] {
    try {
      any(work(trace, 20ms, -1), work(trace, 10ms, -2));
    } catch (const GroupError& error) {
      trace.push_back(error.what());
    }
  });

  CHECK(trace == Trace{"2 tasks of a group failed:\n"
                       "  failed with -2 (std::runtime_error)\n"
                       "  failed with -1 (std::runtime_error)"});
}

TEST_CASE("race ends with the first, result or error, and cancels the others") {
  Trace trace;

  test::run([&] {
    CHECK(race(work(trace, 20ms, 1), work(trace, 10ms, 2)) == 2);
    CHECK_THROWS_WITH_AS(race(work(trace, 20ms, 3), work(trace, 10ms, -4)), "failed with -4",
                         std::runtime_error);
    const std::vector<std::function<int()>> fns = {work(trace, 20ms, 5), work(trace, 10ms, 6)};
    CHECK(race(fns) == 6);
  });

  CHECK(trace == Trace{"1 cancelled", "3 cancelled", "5 cancelled"});
}

TEST_CASE("a loser that ends at the same time, or fails while cancelled, changes nothing") {
  test::run([] {
    const auto stubborn = [] {
      static_cast<void>(outcome([] { sleep_for(1h); }));
      return 1;
    };
    const auto fails_late = [] {
      static_cast<void>(outcome([] { sleep_for(1h); }));
      throw std::runtime_error("late");
      return 1;
    };
    const auto winner = [] { return 2; };

    CHECK(any(stubborn, fails_late, winner) == 2);
    CHECK(race(stubborn, fails_late, winner) == 2);
  });
}

TEST_CASE("a combinator waits for the losers to clean up") {
  test::run([] {
    const auto began = now();
    const auto cleans_up = [] {
      static_cast<void>(outcome([] { sleep_for(1h); }));
      shielded([] { sleep_for(10ms); });
    };
    race([] { sleep_for(1ms); }, cleans_up);

    CHECK(now() - began == 11ms);
  });
}

TEST_CASE("cancelling the caller cancels what a combinator runs") {
  Trace trace;

  test::run([&] {
    const auto cut = [&](auto fn) { CHECK_FALSE(move_on_after(5ms, fn)); };
    cut([&] { return all(work(trace, 1h, 1)); });
    cut([&] { return any(work(trace, 1h, 2)); });
    cut([&] { return race(work(trace, 1h, 3)); });
    cut([&] { return map_concurrent(std::vector{4, 5}, 1, [&](int i) { work(trace, 1h, i)(); }); });
  });

  CHECK(trace == Trace{"1 cancelled", "2 cancelled", "3 cancelled", "4 cancelled"});
}

TEST_CASE("functions see the context of the caller") {
  const AsyncLocal<std::string> local;

  test::run([&] {
    local.run("caller", [&] {
      const auto read = [&] { return seen(local); };
      CHECK(all(read, read) == std::tuple(std::string("caller"), std::string("caller")));
      CHECK(any(read) == "caller");
    });
  });
}

TEST_CASE("map_concurrent keeps the order and never runs more than the limit at once") {
  std::size_t limit = 0;
  std::chrono::milliseconds takes{};
  SUBCASE("one") {
    limit = 1, takes = 10ms;
  }
  SUBCASE("two") {
    limit = 2, takes = 6ms;
  }
  SUBCASE("more than items") {
    limit = 9, takes = 4ms;
  }
  std::size_t running = 0;
  std::size_t most = 0;

  test::run([&] {
    const auto began = now();
    const auto results = map_concurrent(std::vector{4, 1, 3, 2}, limit, [&](int time) {
      most = std::max(most, ++running);
      sleep_for(std::chrono::milliseconds(time));
      --running;
      return std::to_string(time);
    });
    CHECK(results == std::vector<std::string>{"4", "1", "3", "2"});
    CHECK(now() - began == takes);
  });

  CHECK(most == std::min<std::size_t>(limit, 4));
}

TEST_CASE("map_concurrent begins no more calls after a failure") {
  Trace trace;

  test::run([&] {
    const auto fail_at_two = [&](int item) {
      trace.push_back("begins " + std::to_string(item));
      work(trace, 1ms, item == 2 ? -2 : item)();
    };
    CHECK_THROWS_AS(map_concurrent(std::vector{1, 2, 3, 4}, 1, fail_at_two), GroupError);
  });

  CHECK(trace == Trace{"begins 1", "begins 2"});
}

TEST_CASE("a combinator misused says what to do") {
  test::run([] {
    const std::vector<std::function<int()>> none;
    CHECK_THROWS_AS(any(none), UsageError);
    CHECK_THROWS_AS(race(none), UsageError);
    CHECK_THROWS_AS(map_concurrent(std::vector{1}, 0, [](int) {}), UsageError);
    CHECK_THROWS_AS(retry({.attempts = 0}, [] {}), UsageError);
    CHECK_THROWS_AS(retry({.jitter = 2}, [] {}), UsageError);
    CHECK_THROWS_AS(retry({.backoff = -1ms}, [] {}), UsageError);
  });
}

// When each of the calls of a function that always fails came, in milliseconds.
std::vector<int> times_of_calls(const RetryOptions& options) {
  std::vector<int> times;
  const auto began = now();
  try {
    retry(options, [&] {
      times.push_back(static_cast<int>((now() - began) / 1ms));
      throw std::runtime_error("call " + std::to_string(times.size()));
    });
  } catch (const std::runtime_error& error) {
    CHECK(error.what() == "call " + std::to_string(times.size()));
  }
  return times;
}

TEST_CASE("retry returns the first result, after pauses that double up to the longest") {
  test::run([] {
    int calls = 0;
    CHECK(retry({.attempts = 5}, [&] {
            if (++calls < 3) throw std::runtime_error("not yet");
            return calls;
          }) == 3);
    CHECK(times_of_calls({.attempts = 5, .backoff = 100ms, .max_delay = 250ms}) ==
          std::vector<int>{0, 100, 300, 550, 800});
    CHECK(times_of_calls({.attempts = 1}) == std::vector<int>{0});
  });
}

TEST_CASE("the jitter of retry is the same for the same seed and shortens pauses only") {
  test::run([] {
    const RetryOptions options{
        .attempts = 6, .backoff = 1s, .max_delay = 1s, .jitter = 0.5, .seed = 42};
    const auto times = times_of_calls(options);
    RetryOptions other = options;
    other.seed = 43;

    CHECK(times == times_of_calls(options));
    CHECK(times != times_of_calls(other));
    for (std::size_t i = 1; i < times.size(); ++i) {
      CHECK(times[i] - times[i - 1] > 500);
      CHECK(times[i] - times[i - 1] <= 1000);
    }
  });
}

TEST_CASE("retry gives up where the next pause would pass the deadline") {
  test::run([] {
    CHECK(times_of_calls({.attempts = 9, .backoff = 100ms, .deadline = now() + 310ms}) ==
          std::vector<int>{0, 100, 300});
    CHECK_THROWS_AS(retry({.deadline = now() + 10ms}, [] { sleep_for(1h); }), std::system_error);
  });
}

TEST_CASE("retry tries neither a cancellation nor a misuse again") {
  int calls = 0;

  test::run([&] {
    CHECK_THROWS_AS(retry({},
                          [&] {
                            ++calls;
                            throw UsageError("wrong");
                          }),
                    UsageError);
    CHECK_FALSE(move_on_after(10ms, [&] {
      retry({}, [&] {
        ++calls;
        sleep_for(1h);
      });
    }));
  });

  CHECK(calls == 2);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
