#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Address;
using io::UdpSocket;
using test::receive_text;
using test::text_of;
using test::Trace;
using test::udp_socket;
using test::unused_address;
using test::wait_all_parked;

using Bytes = std::span<const std::byte>;

struct Pair {
  UdpSocket receiver = udp_socket();
  UdpSocket sender = udp_socket();

  void send(std::string_view text) { sender.send_to(text, receiver.local_address()); }
};

TEST_SUITE_BEGIN("io/udp_handlers");

TEST_CASE("on_message is called with each datagram, empty ones too, and with its sender") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_message([&](Bytes bytes, const Address& peer) {
      CHECK(peer == pair.sender.local_address());
      trace.push_back(text_of(bytes));
    });
    for (const char* text : {"1", "", "3"}) pair.send(text);
    trace.push_back("sent");
    wait_all_parked();
    pair.receiver.close();
  });

  CHECK(trace == Trace{"sent", "1", "", "3"});
}

TEST_CASE("a server in callback style answers from its handler") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_message([&](Bytes bytes, const Address& peer) {
      pair.receiver.send_to(bytes, peer, [&](const Result<void>&) { trace.push_back("sent"); });
    });
    pair.send("ping");
    trace.push_back(receive_text(pair.sender));
    pair.receiver.close();
  });

  CHECK(trace == Trace{"sent", "ping"});
}

TEST_CASE("a paused handler is not called, and gets what the kernel kept when it resumes") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_message([&](Bytes bytes, const Address&) {
      trace.push_back(text_of(bytes));
      if (trace.size() == 1) pair.receiver.pause();
    });
    for (const char* text : {"1", "2", "3"}) pair.send(text);
    wait_all_parked();
    trace.push_back("paused");
    pair.receiver.resume();
    trace.push_back("resumed");
    wait_all_parked();
    pair.receiver.close();
  });

  CHECK(trace == Trace{"1", "paused", "resumed", "2", "3"});
}

TEST_CASE("a handler set while paused begins when the socket resumes") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.pause();
    pair.receiver.on_message([&](Bytes bytes, const Address&) { trace.push_back(text_of(bytes)); });
    pair.send("1");
    wait_all_parked();
    CHECK(trace == Trace{});
    pair.receiver.resume();
    wait_all_parked();
    pair.receiver.close();
  });

  CHECK(trace == Trace{"1"});
}

TEST_CASE("a handler may replace and remove itself") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_message([&](Bytes bytes, const Address&) {
      pair.receiver.on_message([&](Bytes next, const Address&) {
        trace.push_back("second " + text_of(next));
        pair.receiver.on_message({});
      });
      trace.push_back("first " + text_of(bytes));
    });
    for (const char* text : {"1", "2", "3"}) pair.send(text);
    wait_all_parked();
    trace.push_back("by hand " + receive_text(pair.receiver));
  });

  CHECK(trace == Trace{"first 1", "second 2", "by hand 3"});
}

TEST_CASE("a handler may close the socket it is called for; nothing comes after it") {
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_message([&](Bytes bytes, const Address&) {
      trace.push_back(text_of(bytes));
      pair.receiver.close();
    });
    pair.receiver.on_close([&] { trace.push_back("closed"); });
    for (const char* text : {"1", "2"}) pair.send(text);
    pair.receiver.wait_closed();
  });

  CHECK(trace == Trace{"1", "closed"});
}

TEST_CASE("a failure goes to on_error, and the socket goes on") {
  Trace trace;

  test::run([&] {
    const Address nobody = unused_address();
    auto client = udp_socket();
    client.connect(nobody);
    client.on_message([&](Bytes bytes, const Address&) { trace.push_back(text_of(bytes)); });
    client.on_error([&](const Error& error) { trace.push_back(error.message()); });
    client.send("anybody?");
    wait_all_parked();
    CHECK(trace == Trace{"receive " + nobody.to_string() + ": connection refused (ECONNREFUSED)"});
    trace.clear();

    auto late = UdpSocket::bind("127.0.0.1", nobody.port());
    late.send_to("here", client.local_address());
    wait_all_parked();
    client.close();
  });

  CHECK(trace == Trace{"here"});
}

TEST_CASE("without on_error a failure closes the socket") {
  Trace trace;

  test::run([&] {
    auto client = udp_socket();
    client.connect(unused_address());
    client.on_message([](Bytes, const Address&) {});
    client.on_close([&] { trace.push_back("closed"); });
    client.send("anybody?");
    client.wait_closed();
  });

  CHECK(trace == Trace{"closed"});
}

TEST_CASE("what a handler throws goes to the uncaught handler, and the next datagram to it") {
  Trace trace;
  const auto on_uncaught = [&](const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& thrown) {
      trace.push_back(std::string("uncaught ") + thrown.what());
    }
  };

  test::run(
      [&] {
        Pair pair;
        pair.receiver.on_message(
            [&](Bytes bytes, const Address&) { throw std::runtime_error(text_of(bytes)); });
        for (const char* text : {"1", "2"}) pair.send(text);
        wait_all_parked();
        pair.receiver.close();
      },
      {.run = {.on_uncaught = on_uncaught}});

  CHECK(trace == Trace{"uncaught 1", "uncaught 2"});
}

TEST_CASE("a second close does nothing, and on_close is called once, before the wait ends") {
  Trace trace;

  test::run([&] {
    auto socket = udp_socket();
    socket.on_close([&] { trace.push_back("closed"); });
    CHECK_FALSE(socket.is_closing());
    socket.close();
    socket.close();
    CHECK(socket.is_closing());
    trace.push_back("close returned");
    socket.wait_closed();
    trace.push_back("waited");
    socket.wait_closed();
    socket.close();
  });

  CHECK(trace == Trace{"close returned", "closed", "waited"});
}

TEST_CASE("handlers that own the socket go when it is closed, and it with them") {
  Trace trace;

  test::run([&] {
    auto socket = std::make_shared<UdpSocket>(udp_socket());
    const std::weak_ptr<UdpSocket> seen = socket;
    socket->on_message([socket](Bytes, const Address&) {});
    socket->on_close(
        [&trace, mortal = test::Mortal(trace, "handler")] { trace.push_back("closed"); });
    std::exchange(socket, nullptr)->close();
    wait_all_parked();
    CHECK(seen.expired());
  });

  CHECK(trace == Trace{"closed", "handler dies"});
}

TEST_CASE("moving a socket moves its handlers and what is pending") {
  std::array<std::byte, 8> buffer;
  Trace trace;

  test::run([&] {
    Pair pair;
    pair.receiver.on_close([&] { trace.push_back("closed"); });
    pair.receiver.receive(buffer, [&](const Result<io::Received>& got) {
      trace.push_back(std::to_string(got.value().count));
    });
    auto moved = std::move(pair.receiver);
    pair.sender.send_to("abc", moved.local_address());
    wait_all_parked();
    moved = udp_socket();
    wait_all_parked();
  });

  CHECK(trace == Trace{"3", "closed"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
