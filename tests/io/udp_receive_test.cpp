#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Received;
using io::UdpSocket;
using test::receive_text;
using test::Trace;
using test::udp_socket;
using test::unused_address;
using test::wait_all_parked;

using Buffer = std::array<std::byte, 16>;

// What a receive came to, as a line.
std::string told(const Result<Received>& result) {
  return result ? std::to_string(result.value().count) : result.message();
}

TEST_SUITE_BEGIN("io/udp_receive");

TEST_CASE("receive says what came and who sent it, so that it can be answered") {
  Trace trace;

  test::run([&] {
    auto server = udp_socket();
    auto client = udp_socket();
    spawn([&] {
      Buffer buffer;
      const auto [count, peer, is_truncated] = server.receive(buffer);
      CHECK(peer == client.local_address());
      CHECK_FALSE(is_truncated);
      server.send_to(std::span(buffer).first(count), peer);
    });
    client.send_to("ping", server.local_address());
    trace.push_back(receive_text(client));
  });

  CHECK(trace == Trace{"ping"});
}

TEST_CASE("sockets of IPv6 tell IPv6 addresses, and of IPv4 peers mapped ones") {
  const char* ip = "";
  std::string seen_ip;
  SUBCASE("IPv6") {
    ip = "::1";
    seen_ip = "::1";
  }
  SUBCASE("IPv4") {
    ip = "127.0.0.1";
    seen_ip = "::ffff:127.0.0.1";
  }

  test::run([&] {
    auto server = UdpSocket::bind("::", 0);
    auto client = UdpSocket::bind(ip, 0);
    client.send_to("ping", io::Address::parse(ip, server.local_address().port()));
    Buffer buffer;
    CHECK(server.receive(buffer).peer ==
          io::Address::parse(seen_ip, client.local_address().port()));
  });
}

TEST_CASE("an empty datagram is a datagram, not the end") {
  test::run([] {
    auto server = udp_socket();
    auto client = udp_socket();
    client.send_to("", server.local_address());
    client.send_to("more", server.local_address());
    Buffer buffer;

    const Received empty = server.receive(buffer);
    CHECK(empty.count == 0);
    CHECK(empty.peer == client.local_address());
    CHECK_FALSE(empty.is_truncated);
    CHECK(receive_text(server) == "more");
  });
}

TEST_CASE("of a datagram longer than the buffer the rest is lost, and it says so") {
  test::run([] {
    auto server = udp_socket();
    auto client = udp_socket();
    client.send_to("a datagram of twenty", server.local_address());
    client.send_to("the next", server.local_address());
    Buffer buffer;

    const Received longer = server.receive(buffer);
    CHECK(longer.count == 16);
    CHECK(longer.is_truncated);
    CHECK(test::text_of(buffer) == "a datagram of tw");
    CHECK(receive_text(server) == "the next");
  });
}

TEST_CASE("the longest datagram there is arrives whole") {
  const std::string longest(65507, 'x');

  test::run([&] {
    auto server = udp_socket();
    auto client = udp_socket();
    client.send_to(longest, server.local_address());
    CHECK(receive_text(server) == longest);
  });
}

TEST_CASE("what arrives while nobody waits is kept by the kernel, in order") {
  Trace trace;

  test::run([&] {
    auto server = udp_socket();
    auto client = udp_socket();
    client.send_to("first", server.local_address());
    trace.push_back(receive_text(server));
    for (const char* text : {"second", "", "fourth"}) client.send_to(text, server.local_address());
    wait_all_parked();
    for (int i = 0; i < 3; ++i) trace.push_back(receive_text(server));
  });

  CHECK(trace == Trace{"first", "second", "", "fourth"});
}

TEST_CASE("what the kernel has no room for is dropped without a word") {
  constexpr int kSent = 100;
  int got = 0;

  test::run([&] {
    auto server = udp_socket();
    server.set_recv_buffer_size(1);
    auto client = udp_socket();
    for (int i = 0; i < kSent; ++i) client.send_to("datagram", server.local_address());
    auto counting = spawn([&] {
      for (;; ++got) receive_text(server);
    });
    wait_all_parked();
    server.close();
    CHECK_THROWS_AS(counting.join(), std::system_error);
  });

  CHECK(got > 0);
  CHECK(got < kSent);
}

TEST_CASE("the form with a callback calls it once, behind the call that took it") {
  Buffer buffer;
  Trace trace;

  test::run([&] {
    auto server = udp_socket();
    auto client = udp_socket();
    server.receive(buffer, [&](const Result<Received>& result) { trace.push_back(told(result)); });
    client.send_to("ping", server.local_address());
    trace.push_back("returned");
    wait_all_parked();
    trace.push_back("parked");
  });

  CHECK(trace == Trace{"returned", "4", "parked"});
}

TEST_CASE("a callback may receive again, and gets what came meanwhile") {
  Buffer buffer;
  Trace trace;
  std::optional<UdpSocket> server;
  UniqueFunction<void()> next = [&] {
    server->receive(buffer, [&](const Result<Received>& result) {
      trace.push_back(told(result));
      if (result) next();
    });
  };

  test::run([&] {
    server = udp_socket();
    auto client = udp_socket();
    next();
    for (const char* text : {"1", "22", "333"}) client.send_to(text, server->local_address());
    wait_all_parked();
    server.reset();
  });

  REQUIRE(trace.size() == 4);
  CHECK(trace[2] == "3");
  CHECK(trace[3].find("(ECANCELED)") != std::string::npos);
}

TEST_CASE("closing a socket completes its pending receive with operation_canceled") {
  Buffer buffer;
  std::optional<std::error_code> seen;

  test::run([&] {
    auto socket = udp_socket();
    SUBCASE("a callback's") {
      socket.receive(buffer, [&](const Result<Received>& result) { seen = result.error(); });
      socket.close();
      CHECK_FALSE(seen.has_value());
    }
    SUBCASE("a fiber's") {
      auto waiting = spawn([&] {
        try {
          socket.receive(buffer);
        } catch (const std::system_error& error) {
          seen = error.code();
        }
      });
      yield();
      socket.close();
      waiting.join();
    }
    SUBCASE("a callback's, by dropping the socket") {
      socket.receive(buffer, [&](const Result<Received>& result) { seen = result.error(); });
      const UdpSocket dropped = std::move(socket);
    }
  });

  REQUIRE(seen.has_value());
  CHECK(*seen == std::errc::operation_canceled);
}

TEST_CASE("receiving from a closed socket is an error, in the callback's own time") {
  Buffer buffer;
  Trace trace;

  test::run([&] {
    auto socket = udp_socket();
    socket.close();
    CHECK_THROWS_WITH_AS(socket.receive(buffer),
                         "receive: the socket is closed: bad file descriptor (EBADF)",
                         std::system_error);
    socket.receive(buffer, [&](const Result<Received>& result) { trace.push_back(told(result)); });
    trace.push_back("returned");
    yield();
  });

  CHECK(trace == Trace{"returned", "receive: the socket is closed: bad file descriptor (EBADF)"});
}

TEST_CASE("a connected socket hears that an earlier datagram met no receiver") {
  test::run([] {
    const io::Address nobody = unused_address();
    auto client = udp_socket();
    client.connect(nobody);
    client.send("anybody?");
    const std::string text =
        "receive " + nobody.to_string() + ": connection refused (ECONNREFUSED)";

    Buffer buffer;
    CHECK_THROWS_WITH_AS(client.receive(buffer), text.c_str(), std::system_error);
    CHECK_FALSE(client.is_closing());
  });
}

TEST_CASE("misuse of receive says what to do") {
  test::run([] {
    auto socket = udp_socket();
    Buffer buffer;

    CHECK_THROWS_WITH_AS(socket.receive({}), "receive: the buffer is empty", UsageError);
    CHECK_THROWS_AS(socket.receive(buffer, {}), UsageError);
    socket.receive(buffer, [](const Result<Received>&) {});
    CHECK_THROWS_WITH_AS(socket.receive(buffer),
                         "receive: another receive is pending; one at a time", UsageError);
    CHECK_THROWS_WITH_AS(socket.on_message([](auto, const auto&) {}),
                         "on_message: a receive is pending; use one of the two", UsageError);
  });
}

TEST_CASE("receive and on_message exclude each other, paused or not") {
  test::run([] {
    auto socket = udp_socket();
    Buffer buffer;
    socket.on_message([](auto, const auto&) {});
    SUBCASE("paused") {
      socket.pause();
    }
    SUBCASE("not paused") {}

    CHECK_THROWS_WITH_AS(socket.receive(buffer),
                         "receive: on_message() takes what arrives; use one of the two",
                         UsageError);
  });
}

TEST_CASE("a socket keeps the loop alive while somebody receives, and no longer") {
  std::optional<UdpSocket> kept;  // until the run is over
  Buffer buffer;
  int calls = 0;

  test::run([&] {
    kept = udp_socket();
    SUBCASE("after a receive") {
      udp_socket().send_to("x", kept->local_address());
      kept->receive(buffer);
    }
    SUBCASE("after a handler was taken away") {
      kept->on_message([](auto, const auto&) {});
      kept->on_message({});
    }
    SUBCASE("while the handler is paused") {
      kept->on_message([](auto, const auto&) {});
      kept->pause();
    }
    SUBCASE("while one is pending, but unreferenced") {
      kept->unref();
      kept->receive(buffer, [&](const Result<Received>&) { ++calls; });
    }
  });

  CHECK(kept->is_closing());
  CHECK(calls <= 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
