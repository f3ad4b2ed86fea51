#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/channel.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/capacities.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::each_capacity;
using test::outcome_of_transfer;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/channel_close");

std::string shown(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "none";
}

TEST_CASE("receivers get what was sent before the close, then nullopt for ever") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(3);
    channel.send(1);
    channel.send(2);
    channel.close();
    CHECK_FALSE(channel.is_drained());
    for (int i = 0; i < 4; ++i) trace.push_back(shown(channel.receive()));
    CHECK(channel.is_drained());
    trace.push_back("try " + shown(channel.try_receive()));
  });

  CHECK(trace == Trace{"1", "2", "none", "none", "try none"});
}

TEST_CASE("close ends every waiting receiver with nullopt, in order") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    for (const char* name : {"a", "b", "c"}) {
      spawn([&, name] { trace.push_back(name + (" got " + shown(channel.receive()))); });
    }
    yield();
    channel.close();
    trace.push_back("closed");
    yield();
  });

  CHECK(trace == Trace{"closed", "a got none", "b got none", "c got none"});
}

TEST_CASE("close fails every waiting send with broken_pipe and leaves the values unsent") {
  Trace trace;

  test::run([&] {
    Channel<std::unique_ptr<int>> channel(1);
    channel.send(std::make_unique<int>(0));
    for (int i = 1; i <= 2; ++i) {
      spawn([&, i] {
        auto value = std::make_unique<int>(i);
        trace.push_back(outcome_of_transfer([&] { channel.send(std::move(value)); }));
        trace.push_back("still has " + std::to_string(*value));
      });
    }
    yield();
    channel.close();
    yield();
    CHECK(**channel.receive() == 0);
    CHECK_FALSE(channel.receive());
  });

  CHECK(trace == Trace{"broken pipe", "still has 1", "broken pipe", "still has 2"});
}

TEST_CASE("a send on a closed channel fails at once with broken_pipe, and says what failed") {
  const std::size_t capacity = each_capacity();

  test::run([&] {
    Channel<int> channel(capacity);
    channel.close();

    CHECK(outcome_of_transfer([&] { channel.send(1); }) == "broken pipe");
    CHECK(outcome_of_transfer([&] { channel.try_send(1); }) == "broken pipe");
    CHECK_THROWS_WITH(channel.send(1), doctest::Contains("channel send: broken pipe"));
  });
}

TEST_CASE("closing again does nothing") {
  test::run([] {
    Channel<int> channel(1);
    channel.send(1);
    channel.close();
    channel.close();

    CHECK(channel.is_closed());
    CHECK(channel.receive() == 1);
  });
}

TEST_CASE("a callback may close a channel") {
  test::run([] {
    Channel<int> channel(0);
    set_timeout(1ms, [&] { channel.close(); });

    CHECK_FALSE(channel.receive());
  });
}

TEST_CASE("a loop over a channel ends when that is closed and drained") {
  const std::size_t capacity = each_capacity();
  std::vector<int> received;

  test::run([&] {
    Channel<int> channel(capacity);
    spawn([&] {
      for (int i = 0; i < 4; ++i) channel.send(i);
      channel.close();
    });
    for (const int& value : channel) received.push_back(value);
  });

  CHECK(received == std::vector{0, 1, 2, 3});
}

TEST_CASE("a loop over a channel may take its values") {
  std::vector<std::unique_ptr<int>> kept;

  test::run([&] {
    Channel<std::unique_ptr<int>> channel(2);
    channel.send(std::make_unique<int>(1));
    channel.send(std::make_unique<int>(2));
    channel.close();
    for (auto& value : channel) kept.push_back(std::move(value));
  });

  REQUIRE(kept.size() == 2);
  CHECK(*kept[1] == 2);
}

TEST_CASE("destroying a channel ends those who wait at it, as closing does") {
  Trace trace;

  test::run([&] {
    auto channel = std::make_unique<Channel<int>>(0);
    auto other = std::make_unique<Channel<int>>(0);
    spawn([&, &at = *channel] {
      for (const int& value : at) trace.push_back(std::to_string(value));
      trace.push_back("loop ends");
    });
    spawn([&, &at = *other] { trace.push_back(outcome_of_transfer([&] { at.send(1); })); });
    yield();
    channel.reset();
    other.reset();
  });

  CHECK(trace == Trace{"loop ends", "broken pipe"});
}

TEST_CASE("a cancelled receive has received nothing, and leaves its place") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    auto cancelled =
        spawn([&] { trace.push_back(outcome_of_transfer([&] { channel.receive(); })); });
    auto behind = spawn([&] { trace.push_back("got " + shown(channel.receive())); });
    yield();
    cancelled.cancel();
    CHECK(channel.statistics().waiting_receivers == 1);
    channel.send(1);
    behind.join();
  });

  CHECK(trace == Trace{"cancelled", "got 1"});
}

TEST_CASE("a cancelled send has not sent, leaves its place and its value") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<std::unique_ptr<int>> channel(capacity);
    while (channel.try_send(std::make_unique<int>(0))) continue;
    auto cancelled = spawn([&] {
      auto value = std::make_unique<int>(1);
      trace.push_back(outcome_of_transfer([&] { channel.send(std::move(value)); }));
      trace.push_back("still has " + std::to_string(*value));
    });
    spawn([&] { channel.send(std::make_unique<int>(2)); });
    yield();
    cancelled.cancel();
    CHECK(channel.statistics().waiting_senders == 1);
    cancelled.join();
    for (std::size_t i = 0; i < capacity; ++i) CHECK(**channel.receive() == 0);
    CHECK(**channel.receive() == 2);
  });

  CHECK(trace == Trace{"cancelled", "still has 1"});
}

TEST_CASE("a value handed to a receiver that is cancelled before it runs is received") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(0);
    auto receiver = spawn([&] {
      trace.push_back("got " + shown(channel.receive()));
      trace.push_back(outcome_of_transfer([&] { channel.receive(); }));
    });
    yield();
    channel.send(1);
    receiver.cancel();
    receiver.join();
    CHECK(channel.statistics().waiting_receivers == 0);
  });

  CHECK(trace == Trace{"got 1", "cancelled"});
}

TEST_CASE("a send whose value was taken before the sender is cancelled has sent") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    while (channel.try_send(0)) continue;
    auto sender = spawn([&] {
      trace.push_back("send " + outcome_of_transfer([&] { channel.send(1); }));
      trace.push_back("next " + outcome_of_transfer([&] { channel.send(2); }));
    });
    yield();
    for (std::size_t i = 0; i < capacity; ++i) CHECK(channel.receive() == 0);
    if (capacity == 0) CHECK(channel.receive() == 1);
    sender.cancel();
    sender.join();
    CHECK(channel.try_receive() == (capacity == 0 ? std::nullopt : std::optional(1)));
    CHECK_FALSE(channel.try_receive());
  });

  CHECK(trace == Trace{"send done", "next cancelled"});
}

TEST_CASE("a fiber that is cancelled already neither sends nor receives") {
  test::run([] {
    Channel<int> channel(2);
    channel.send(1);
    auto task = spawn([&] {
      CHECK(outcome_of_transfer([&] { channel.send(2); }) == "cancelled");
      CHECK(outcome_of_transfer([&] { channel.receive(); }) == "cancelled");
    });
    task.cancel();
    task.join();

    CHECK(channel.size() == 1);
  });
}

TEST_CASE("the end of the run ends those who wait at a channel that outlives it") {
  Channel<int> channel(0);
  Trace trace;

  test::run([&] {
    spawn([&] { trace.push_back(outcome_of_transfer([&] { channel.receive(); })); });
    spawn([&] {
      struct WaitsAtEnd {
        Channel<int>& at;
        Trace& trace;
        ~WaitsAtEnd() {
          trace.push_back(outcome_of_transfer([&] { at.receive(); }));
        }
      } const cleanup{channel, trace};
      sleep_for(1h);
    });
    yield();
    Loop::current().stop();
  });

  CHECK(channel.statistics().waiting_receivers == 0);
  CHECK(trace.size() == 2);
  CHECK(trace.front() == "cancelled");
  CHECK(trace.back().starts_with("channel receive: operation canceled"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
