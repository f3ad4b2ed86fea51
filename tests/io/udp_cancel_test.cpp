#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::UdpSocket;
using test::cancel_sweep;
using test::receive_text;
using test::StuckSender;
using test::udp_socket;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/udp_cancel");

TEST_CASE("a deadline cuts receive and receive_batch, and what comes later is not lost") {
  bool takes_batches = false;
  SUBCASE("receive") {}
  SUBCASE("receive_batch") {
    takes_batches = true;
  }

  test::run([&] {
    auto socket = udp_socket({.batch_max = takes_batches ? 4U : 1U});
    const auto began = now();
    const bool finished = move_on_after(10ms, [&] {
      if (takes_batches) {
        socket.receive_batch();
      } else {
        receive_text(socket);
      }
    });

    CHECK_FALSE(finished);
    CHECK(now() - began == 10ms);
    udp_socket().send_to("late", socket.local_address());
    CHECK(receive_text(socket) == "late");
  });
}

TEST_CASE("a fiber cancelled while it receives leaves the socket to the next") {
  test::run([] {
    auto socket = udp_socket();
    CancelScope scope;
    auto first = spawn([&] { return scope.run([&] { receive_text(socket); }); });
    yield();
    scope.cancel();
    CHECK_FALSE(first.join());
    auto second = spawn([&] { return receive_text(socket); });
    udp_socket().send_to("for the second", socket.local_address());

    CHECK(second.join() == "for the second");
  });
}

TEST_CASE("a cancelled fiber does not send") {
  test::run([] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    CancelScope scope;
    scope.cancel();
    CHECK_FALSE(scope.run([&] { sender.send_to("never", receiver.local_address()); }));
    sender.send_to("first", receiver.local_address());

    CHECK(receive_text(receiver) == "first");
  });
}

TEST_CASE("a conversation of datagrams can be cancelled anywhere") {
  int cuts = 0;

  const auto conversation = [] {
    auto server = udp_socket();
    auto batches = udp_socket({.batch_max = 4});
    auto client = udp_socket();
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        std::array<std::byte, 64> buffer;
        for (int i = 0; i < 2; ++i) {
          const io::Received got = server.receive(buffer);
          server.send_to(std::span(buffer).first(got.count), got.peer);
        }
      });
      group.spawn([&] { batches.send_batch(batches.receive_batch()); });
      for (const char* text : {"1", "2"}) {
        client.send_to(text, server.local_address());
        receive_text(client);
      }
      client.send_to("3", batches.local_address());
      receive_text(client);
    });
    client.close();
    client.wait_closed();
  };
  const int points = cancel_sweep(conversation, cuts);

  CHECK(points >= 6);
  CHECK(cuts >= points);
}

TEST_CASE("sends that wait for the kernel can be cancelled anywhere") {
  int cuts = 0;

  const auto sends = [] {
    StuckSender sender;
    task_group([&](TaskGroup& group) {
      group.spawn([&] { sender.socket.send_to(sender.text, sender.to); });
      group.spawn([&] { sender.socket.send_to("short", sender.to); });
      group.spawn([&] {
        yield();
        sender.make_room();
      });
      receive_text(sender.receiver);
    });
  };
  const int points = cancel_sweep(sends, cuts);

  CHECK(points >= 4);
  CHECK(cuts >= points);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
