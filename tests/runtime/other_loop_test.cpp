#include <functional>
#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/queue.h>
#include <weft/runtime/run.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/other_loop");

const auto ignore = [](auto&&...) {};

// Calls `fn` on a fiber of another thread's loop, while this one stands still.
void elsewhere(const std::function<void()>& fn) {
  std::thread([&fn] { run([&fn] { fn(); }); }).join();
}

TEST_CASE("where a fiber of one loop waits to receive no other loop sends, receives or closes") {
  std::optional<int> received;

  test::run([&] {
    Channel<int> channel(0);
    auto receiver = spawn([&] { received = channel.receive(); });
    yield();
    elsewhere([&] {
      CHECK_THROWS_AS(channel.send(1), UsageError);
      CHECK_THROWS_AS(channel.try_send(1), UsageError);
      CHECK_THROWS_AS(channel.receive(), UsageError);
      CHECK_THROWS_AS(channel.close(), UsageError);
      CHECK_THROWS_AS(select(on_send(channel, 1, ignore)), UsageError);
      CHECK_THROWS_AS(select(on_receive(channel, ignore)), UsageError);
    });
    channel.send(2);
    receiver.join();
  });

  CHECK(received == 2);
}

TEST_CASE("where a fiber of one loop waits to send no other loop receives, sends or closes") {
  test::run([] {
    Channel<int> channel(0);
    auto sender = spawn([&] { channel.send(1); });
    yield();
    elsewhere([&] {
      CHECK_THROWS_WITH_AS(channel.receive(),
                           "channel receive: fibers of another loop wait here; between threads "
                           "use a Queue or Loop::post",
                           UsageError);
      CHECK_THROWS_AS(channel.try_receive(), UsageError);
      CHECK_THROWS_AS(channel.send(2), UsageError);
      CHECK_THROWS_AS(channel.close(), UsageError);
      CHECK_THROWS_AS(select(on_receive(channel, ignore)), UsageError);
    });
    CHECK(channel.receive() == 1);
    sender.join();
  });
}

TEST_CASE("a queue gives its values to its own loop only, also after that has ended") {
  std::optional<Queue<int>> queue;
  const auto pops_nothing = [&] {
    CHECK_THROWS_AS(queue->pop(), UsageError);
    CHECK_THROWS_AS(queue->try_pop(), UsageError);
    CHECK_THROWS_AS(select(on_pop(*queue, ignore)), UsageError);
  };

  test::run([&] {
    queue.emplace(1);
    queue->producer().try_push(1);
    elsewhere(pops_nothing);
    CHECK_FALSE(queue->statistics().size == 0);
  });
  test::run(pops_nothing);
}

TEST_CASE("a task is joined on its own loop") {
  test::run([] {
    auto runs = spawn([] { yield(); });
    auto ended = spawn([] { return 1; });
    yield();
    elsewhere([&] {
      CHECK_THROWS_AS(runs.join(), UsageError);
      CHECK_THROWS_AS(ended.join(), UsageError);
    });
    runs.join();
    CHECK(ended.join() == 1);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
