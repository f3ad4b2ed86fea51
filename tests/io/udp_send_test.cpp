#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
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

using io::Address;
using io::UdpFamily;
using io::UdpSocket;
using test::receive_text;
using test::Trace;
using test::udp_socket;
using test::unused_address;
using test::wait_all_parked;

const std::string kTooLong(65508, 'x');

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Callback<void> note(Trace& trace, std::string name) {
  return [&trace, name = std::move(name)](const Result<void>& result) {
    trace.push_back(name + (result ? " done" : ": " + result.message()));
  };
}

// What a call says when it fails.
std::string complaint_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "nothing";
}

TEST_SUITE_BEGIN("io/udp_send");

TEST_CASE("send_to takes text and bytes, and each call makes one datagram") {
  Trace trace;

  test::run([&] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    const Address to = receiver.local_address();
    sender.send_to("text", to);
    sender.send_to(bytes_of("bytes"), to);
    sender.send_to("", to);
    for (int i = 0; i < 3; ++i) trace.push_back(receive_text(receiver));
  });

  CHECK(trace == Trace{"text", "bytes", ""});
}

TEST_CASE("the forms with a callback send the same, and call back on the next tick") {
  Trace trace;

  test::run([&] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    const Address to = receiver.local_address();
    sender.send_to("text", to, note(trace, "text"));
    sender.send_to(bytes_of("bytes"), to, note(trace, "bytes"));
    sender.connect(to);
    sender.send("connected", note(trace, "connected"));
    sender.send(bytes_of("nobody is told"), {});
    trace.push_back("returned");
    yield();
    for (int i = 0; i < 4; ++i) trace.push_back(receive_text(receiver));
  });

  CHECK(trace == Trace{"returned", "text done", "bytes done", "connected done", "text", "bytes",
                       "connected", "nobody is told"});
}

TEST_CASE("a send that the kernel takes at once does not suspend") {
  Trace trace;

  test::run([&] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    spawn([&] { trace.push_back("another fiber"); });
    sender.send_to("x", receiver.local_address());
    trace.push_back("sent");
  });

  CHECK(trace == Trace{"sent", "another fiber"});
}

TEST_CASE("a connected socket sends to its peer and hears nobody else") {
  test::run([] {
    auto peer = udp_socket();
    auto stranger = udp_socket();
    auto socket = udp_socket();
    CHECK_FALSE(socket.is_connected());
    socket.connect(peer.local_address());
    CHECK(socket.is_connected());
    CHECK(socket.peer_address() == peer.local_address());

    socket.send("to the peer");
    CHECK(receive_text(peer) == "to the peer");
    stranger.send_to("from a stranger", socket.local_address());
    peer.send_to("from the peer", socket.local_address());
    CHECK(receive_text(socket) == "from the peer");
  });
}

TEST_CASE("a disconnected socket hears everybody, and may connect to another") {
  test::run([] {
    auto first = udp_socket();
    auto second = udp_socket();
    auto socket = udp_socket();
    socket.connect(first.local_address());
    socket.disconnect();
    CHECK_FALSE(socket.is_connected());
    CHECK_THROWS_AS(socket.peer_address(), std::system_error);

    second.send_to("from anybody", socket.local_address());
    CHECK(receive_text(socket) == "from anybody");
    socket.connect(second.local_address());
    socket.send("to the second");
    CHECK(receive_text(second) == "to the second");
  });
}

TEST_CASE("sending with and without an address, and connecting twice, are told apart") {
  test::run([] {
    auto peer = udp_socket();
    auto socket = udp_socket();

    CHECK_THROWS_WITH_AS(socket.send("x"),
                         "send: the socket is not connected; connect() first, or send_to()",
                         UsageError);
    CHECK_THROWS_AS(socket.send("x", {}), UsageError);
    CHECK_THROWS_WITH_AS(socket.disconnect(), "disconnect: the socket is not connected",
                         UsageError);
    socket.connect(peer.local_address());
    CHECK_THROWS_WITH_AS(socket.send_to("x", peer.local_address()),
                         "send_to: the socket is connected; send(), or disconnect() first",
                         UsageError);
    CHECK_THROWS_WITH_AS(socket.connect(peer.local_address()),
                         "connect: the socket is connected; disconnect() first", UsageError);
  });
}

TEST_CASE("an unbound socket gets its address when it first sends") {
  const char* ip = "";
  UdpFamily family = UdpFamily::kIpv4;
  SUBCASE("IPv4") {
    ip = "127.0.0.1";
  }
  SUBCASE("IPv6") {
    ip = "::1";
    family = UdpFamily::kIpv6;
  }

  test::run([&] {
    auto server = UdpSocket::bind(ip, 0);
    auto client = UdpSocket::unbound(family);
    CHECK(client.local_address().port() == 0);
    client.send_to("ping", server.local_address());
    CHECK(client.local_address().port() != 0);

    std::array<std::byte, 16> buffer;
    const io::Received got = server.receive(buffer);
    CHECK(got.peer.port() == client.local_address().port());
    server.send_to("pong", got.peer);
    CHECK(receive_text(client) == "pong");
  });
}

TEST_CASE("a datagram that is too long is not sent, and the error names the address") {
  Trace trace;

  test::run([&] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    const Address to = receiver.local_address();
    const std::string text = to.to_string() + ": message too long (EMSGSIZE)";

    CHECK_THROWS_WITH_AS(sender.send_to(kTooLong, to), ("send_to " + text).c_str(),
                         std::system_error);
    sender.send_to(kTooLong, to, note(trace, "callback"));
    trace.push_back("returned");
    yield();
    CHECK(trace == Trace{"returned", "callback: send_to " + text});
    sender.connect(to);
    CHECK_THROWS_WITH_AS(sender.send(kTooLong), ("send " + text).c_str(), std::system_error);
    sender.send("short enough");
    CHECK(receive_text(receiver) == "short enough");
  });
}

TEST_CASE("a connected socket hears of an earlier datagram's refusal when it next sends") {
  test::run([] {
    const Address nobody = unused_address();
    auto client = udp_socket();
    client.connect(nobody);
    client.send("anybody?");
    wait_all_parked();

    CHECK(complaint_of([&] { client.send("anybody?"); }) ==
          "send " + nobody.to_string() + ": connection refused (ECONNREFUSED)");
    client.send("anybody?");
  });
}

TEST_CASE("a broadcast needs to be allowed, and an address of the socket's family") {
  test::run([] {
    auto socket = udp_socket();
    const Address all = Address::parse("255.255.255.255", 9);

    CHECK(complaint_of([&] { socket.send_to("x", all); }) ==
          "send_to 255.255.255.255:9: permission denied (EACCES)");
    CHECK(complaint_of([&] {
            socket.send_to("x", Address::parse("::1", 9));
          }).starts_with("send_to [::1]:9: "));
  });
}

TEST_CASE("sending on a closed socket is an error") {
  Trace trace;

  test::run([&] {
    auto socket = udp_socket();
    const Address to = socket.local_address();
    socket.close();
    const std::string closed = ": the socket is closed: bad file descriptor (EBADF)";

    CHECK(complaint_of([&] { socket.send("x"); }) == "send" + closed);
    CHECK(complaint_of([&] { socket.send_to("x", to); }) == "send_to" + closed);
    CHECK(complaint_of([&] { socket.connect(to); }) == "connect" + closed);
    socket.send_to("x", to, note(trace, "callback"));
    yield();
    CHECK(trace == Trace{"callback: send_to" + closed});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
