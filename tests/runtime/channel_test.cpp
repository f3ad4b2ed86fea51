#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/capacities.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::each_capacity;
using test::HookRecorder;
using test::Mortal;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/channel");

std::string shown(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "none";
}

TEST_CASE("what is sent arrives, in the order sent") {
  const std::size_t capacity = each_capacity();
  std::vector<int> received;

  test::run([&] {
    Channel<int> channel(capacity);
    spawn([&] {
      for (int i = 0; i < 5; ++i) channel.send(i);
    });
    for (int i = 0; i < 5; ++i) received.push_back(channel.receive().value());
  });

  CHECK(received == std::vector{0, 1, 2, 3, 4});
}

TEST_CASE("a send on a rendezvous ends when its value has been received") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(0);
    spawn([&] {
      channel.send(1);
      trace.push_back("sent");
    });
    yield();
    trace.push_back("nobody received yet");
    trace.push_back("received " + shown(channel.receive()));
    yield();
  });

  CHECK(trace == Trace{"nobody received yet", "received 1", "sent"});
}

TEST_CASE("a send does not wait while there is room, and waits when there is none") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(2);
    spawn([&] {
      for (int i = 1; i <= 3; ++i) {
        channel.send(i);
        trace.push_back("sent " + std::to_string(i));
      }
    });
    yield();
    trace.push_back("full");
    trace.push_back("received " + shown(channel.receive()));
    yield();
    CHECK(channel.size() == 2);
  });

  CHECK(trace == Trace{"sent 1", "sent 2", "full", "received 1", "sent 3"});
}

TEST_CASE("a receive waits until something is sent") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    spawn([&] { trace.push_back("received " + shown(channel.receive())); });
    yield();
    trace.push_back("sending");
    channel.send(7);
    trace.push_back("sent");
    yield();
  });

  CHECK(trace == Trace{"sending", "sent", "received 7"});
}

TEST_CASE("a send to a waiting receiver hands over without a wait and without the buffer") {
  const std::size_t capacity = each_capacity();

  test::run([&] {
    Channel<int> channel(capacity);
    auto receiver = spawn([&] { return channel.receive(); });
    yield();
    channel.send(1);

    CHECK(channel.size() == 0);
    CHECK_FALSE(receiver.done());
    CHECK_FALSE(channel.try_receive());  // it is the receiver's already
    CHECK(receiver.join() == 1);
  });
}

TEST_CASE("receivers are served in the order they came") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    for (const char* name : {"a", "b", "c"}) {
      spawn([&, name] { trace.push_back(name + (" got " + shown(channel.receive()))); });
    }
    yield();
    for (int i = 1; i <= 3; ++i) channel.send(i);
  });

  CHECK(trace == Trace{"a got 1", "b got 2", "c got 3"});
}

TEST_CASE("senders are served in the order they came") {
  const std::size_t capacity = each_capacity();
  std::vector<int> received;

  test::run([&] {
    Channel<int> channel(capacity);
    for (int i = 0; i < 6; ++i) {
      spawn([&, i] { channel.send(i); });
    }
    yield();
    for (int i = 0; i < 6; ++i) received.push_back(channel.receive().value());
  });

  CHECK(received == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE("a sender that comes later does not get ahead of one that waits") {
  std::vector<int> received;

  test::run([&] {
    Channel<int> channel(1);
    channel.send(0);
    spawn([&] { channel.send(1); });
    yield();
    received.push_back(*channel.receive());
    CHECK_FALSE(channel.try_send(2));  // the place that came free is the waiting sender's
    received.push_back(*channel.receive());
  });

  CHECK(received == std::vector{0, 1});
}

TEST_CASE("a receiver that comes later does not get ahead of one that waits") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(1);
    spawn([&] { trace.push_back("first got " + shown(channel.receive())); });
    yield();
    channel.send(1);
    spawn([&] { trace.push_back("second got " + shown(channel.receive())); });
    trace.push_back("third got " + shown(channel.try_receive()));
    yield();
    channel.send(2);
  });

  CHECK(trace == Trace{"third got none", "first got 1", "second got 2"});
}

TEST_CASE("every value is received once, however many send and receive") {
  const std::size_t capacity = each_capacity();
  Channel<int> channel(capacity);
  std::vector<int> received;

  test::run([&] {
    for (int sender = 0; sender < 10; ++sender) {
      spawn([&, sender] {
        for (int i = 0; i < 20; ++i) channel.send(20 * sender + i);
      });
    }
    for (int i = 0; i < 8; ++i) {
      spawn([&] {
        for (int k = 0; k < 25; ++k) received.push_back(channel.receive().value());
      });
    }
  });

  std::sort(received.begin(), received.end());
  REQUIRE(received.size() == 200);
  for (int i = 0; i < 200; ++i) CHECK(received[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("values that can only be moved go through, each as one object") {
  const std::size_t capacity = each_capacity();

  test::run([&] {
    Channel<std::unique_ptr<int>> channel(capacity);
    auto value = std::make_unique<int>(5);
    const int* const address = value.get();
    auto receiver = spawn([&] { return *channel.receive(); });
    spawn([&, value = std::move(value)]() mutable { channel.send(std::move(value)); });

    CHECK(receiver.join().get() == address);
  });
}

TEST_CASE("a value is destroyed once, where it ends up") {
  Trace trace;

  test::run([&] {
    Channel<Mortal> channel(2);
    channel.send(Mortal(trace, "buffered"));
    channel.send(Mortal(trace, "left over"));
    {
      const auto taken = channel.receive();
      trace.push_back("took " + taken->name());
    }
    trace.push_back("the channel goes");
  });

  CHECK(trace == Trace{"took buffered", "buffered dies", "the channel goes", "left over dies"});
}

TEST_CASE("try_send takes the value only when it needs no wait") {
  test::run([] {
    Channel<std::unique_ptr<int>> channel(1);
    auto value = std::make_unique<int>(1);
    CHECK(channel.try_send(std::move(value)));
    CHECK(value == nullptr);

    value = std::make_unique<int>(2);
    CHECK_FALSE(channel.try_send(std::move(value)));
    REQUIRE(value != nullptr);
    CHECK(*value == 2);
  });
}

TEST_CASE("try_send on a rendezvous needs a receiver that waits") {
  test::run([] {
    Channel<int> channel(0);
    CHECK_FALSE(channel.try_send(1));
    auto receiver = spawn([&] { return channel.receive(); });
    yield();
    CHECK(channel.try_send(2));
    CHECK_FALSE(channel.try_send(3));
    CHECK(receiver.join() == 2);
  });
}

TEST_CASE("try_receive takes what is there: from the buffer, then from a waiting sender") {
  const std::size_t capacity = each_capacity();
  std::vector<int> received;

  test::run([&] {
    Channel<int> channel(capacity);
    CHECK_FALSE(channel.try_receive());
    for (int i = 0; i < 4; ++i) {
      spawn([&, i] { channel.send(i); });
    }
    yield();
    while (auto value = channel.try_receive()) received.push_back(*value);
  });

  CHECK(received == std::vector{0, 1, 2, 3});
}

TEST_CASE("statistics tell what is held and who waits") {
  test::run([] {
    Channel<int> channel(2);
    auto receiver = spawn([&] { channel.receive(); });
    yield();
    CHECK(channel.statistics().waiting_receivers == 1);
    channel.send(0);
    for (int i = 0; i < 5; ++i) {
      spawn([&] { channel.send(1); });
    }
    yield();

    const ChannelStatistics full = channel.statistics();
    CHECK(full.size == 2);
    CHECK(full.capacity == 2);
    CHECK(full.waiting_senders == 3);
    CHECK(full.waiting_receivers == 0);
    CHECK_FALSE(full.is_closed);
    for (int i = 0; i < 5; ++i) channel.receive();
    CHECK(channel.statistics().waiting_senders == 0);
  });
}

TEST_CASE("callbacks may try, and may not wait") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(0);
    auto receiver = spawn([&] { trace.push_back("received " + shown(channel.receive())); });
    set_timeout(1ms, [&] {
      CHECK_THROWS_AS(channel.send(1), UsageError);
      CHECK_THROWS_AS(channel.receive(), UsageError);
      trace.push_back(channel.try_send(2) ? "sent" : "not sent");
      trace.push_back("callback ends");
    });
    receiver.join();
  });

  CHECK(trace == Trace{"sent", "callback ends", "received 2"});
}

TEST_CASE("a fiber keeps its context, whoever it hears from") {
  const std::size_t capacity = each_capacity();
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Channel<int> channel(capacity);
    auto receiver = who.run("receiver", [&] {
      return spawn([&] {
        channel.receive();
        trace.push_back(seen(who));
      });
    });
    yield();
    who.run("sender", [&] { channel.send(1); });
    receiver.join();
  });

  CHECK(trace == Trace{"receiver"});
}

TEST_CASE("a wait at a channel is no resource, and tells who ended it") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});
  AsyncId resumed_by_id = 0;
  AsyncId sender_id = 0;

  test::run([&] {
    Channel<int> channel(0);
    auto receiver = spawn([&] {
      channel.receive();
      resumed_by_id = resumed_by();
    });
    yield();
    auto sender = spawn([&] { channel.send(1); });
    sender_id = sender.async_id();
    receiver.join();
  });

  for (const std::string& line : recorder.trace()) CHECK_FALSE(line.starts_with("init"));
  CHECK(sender_id != 0);
  CHECK(resumed_by_id == sender_id);
}

TEST_CASE("a deadlock at a channel names the wait") {
  std::string text;

  try {
    test::run([] {
      Channel<int> channel(0);
      channel.receive();
    });
  } catch (const Deadlock& deadlock) {
    text = deadlock.what();
  }

  CHECK(text.find("waits in channel receive") != std::string::npos);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
