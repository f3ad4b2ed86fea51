#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/udp.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Address;
using io::UdpFamily;
using io::UdpSocket;
using test::receive_text;
using test::udp_socket;
using test::wait_all_parked;

constexpr const char* kGroup = "239.255.13.7";
constexpr const char* kLoopback = "127.0.0.1";

std::error_code code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

TEST_SUITE_BEGIN("io/udp_options");

TEST_CASE("binding to an address in use names the address") {
  test::run([] {
    auto first = udp_socket();
    const std::string text =
        "bind " + first.local_address().to_string() + ": address already in use (EADDRINUSE)";

    CHECK_THROWS_WITH_AS(UdpSocket::bind(kLoopback, first.local_address().port()), text.c_str(),
                         std::system_error);
  });
}

TEST_CASE("binding takes an address, not a name, and one of this machine") {
  test::run([] {
    CHECK(code_of([] { UdpSocket::bind("localhost", 0); }) == std::errc::invalid_argument);
    CHECK(code_of([] { UdpSocket::bind("192.0.2.1", 0); }) == std::errc::address_not_available);
    CHECK(code_of([] { UdpSocket::bind("", 0); }) == std::errc::invalid_argument);
  });
}

TEST_CASE("an address may be shared if all who bind to it say so") {
  io::UdpOptions options;
  SUBCASE("reuse_address") {
    options.reuse_address = true;
  }
  SUBCASE("reuse_port") {
    options.reuse_port = true;
  }

  test::run([&] {
    auto first = udp_socket(options);
    const std::uint16_t port = first.local_address().port();
    auto second = UdpSocket::bind(kLoopback, port, options);
    CHECK(second.local_address() == first.local_address());
    CHECK_THROWS_AS(UdpSocket::bind(kLoopback, port), std::system_error);
  });
}

TEST_CASE("ipv6_only decides whether a socket of IPv6 also has the port of IPv4") {
  test::run([] {
    const auto six = UdpSocket::bind("::", 0, {.ipv6_only = true});
    const auto four = UdpSocket::bind("0.0.0.0", six.local_address().port());
    const auto both = UdpSocket::bind("::", 0);
    CHECK(code_of([&] { UdpSocket::bind("0.0.0.0", both.local_address().port()); }) ==
          std::errc::address_in_use);
  });
}

TEST_CASE("the kernel's buffers can be asked for, and grow with what is set") {
  test::run([] {
    auto socket = udp_socket();
    const std::size_t recv_before = socket.recv_buffer_size();
    const std::size_t send_before = socket.send_buffer_size();
    socket.set_recv_buffer_size(recv_before / 4);
    socket.set_send_buffer_size(send_before / 4);

    CHECK(socket.recv_buffer_size() < recv_before);
    CHECK(socket.send_buffer_size() < send_before);
    CHECK(socket.recv_buffer_size() >= recv_before / 4);
    CHECK_THROWS_AS(socket.set_recv_buffer_size(0), UsageError);
  });
}

TEST_CASE("hops and loopback can be set, within their limits, of bound and of unbound sockets") {
  test::run([] {
    std::optional<UdpSocket> socket;
    SUBCASE("IPv4") {
      socket = udp_socket();
    }
    SUBCASE("IPv6") {
      socket = UdpSocket::bind("::1", 0);
    }
    SUBCASE("IPv4, unbound") {
      socket = UdpSocket::unbound(UdpFamily::kIpv4);
    }
    SUBCASE("IPv6, unbound") {
      socket = UdpSocket::unbound(UdpFamily::kIpv6);
    }

    socket->set_ttl(1);
    socket->set_ttl(255);
    socket->set_multicast_ttl(0);
    socket->set_multicast_ttl(255);
    socket->set_multicast_loopback(false);
    socket->set_multicast_loopback(true);
    for (const int hops : {0, 256, -1}) {
      CHECK(code_of([&] { socket->set_ttl(hops); }) == std::errc::invalid_argument);
    }
    CHECK(code_of([&] { socket->set_multicast_ttl(256); }) == std::errc::invalid_argument);
  });
}

TEST_CASE("a broadcast is sent once it is allowed") {
  test::run([] {
    auto receiver = UdpSocket::bind("0.0.0.0", 0);
    auto sender = udp_socket();
    const auto all = Address::parse("127.255.255.255", receiver.local_address().port());
    CHECK(code_of([&] { sender.send_to("x", all); }) == std::errc::permission_denied);
    sender.set_broadcast(true);
    sender.send_to("to all", all);

    CHECK(receive_text(receiver) == "to all");
  });
}

// A receiver of the group on loopback, and a sender to it.
struct Multicast {
  UdpSocket receiver = UdpSocket::bind("0.0.0.0", 0, {.reuse_address = true});
  UdpSocket sender = udp_socket();
  Address group = Address::parse(kGroup, receiver.local_address().port());

  Multicast() { sender.set_multicast_interface(kLoopback); }

  // Whether a datagram to the group arrives.
  bool arrives() {
    bool arrived = false;
    receiver.on_message([&](auto, const Address&) { arrived = true; });
    sender.send_to("x", group);
    wait_all_parked();
    receiver.on_message({});
    return arrived;
  }
};

TEST_CASE("a group is heard from joining it until leaving it") {
  test::run([] {
    Multicast scene;
    CHECK_FALSE(scene.arrives());
    scene.receiver.add_membership(kGroup, kLoopback);
    CHECK(scene.arrives());
    CHECK(code_of([&] { scene.receiver.add_membership(kGroup, kLoopback); }) ==
          std::errc::address_in_use);
    scene.receiver.drop_membership(kGroup, kLoopback);
    CHECK_FALSE(scene.arrives());
    CHECK(code_of([&] { scene.receiver.drop_membership(kGroup, kLoopback); }) ==
          std::errc::address_not_available);
  });
}

TEST_CASE("of a group with a source only that one is heard") {
  test::run([] {
    Multicast scene;
    scene.receiver.add_source_specific_membership("127.0.0.2", kGroup, kLoopback);
    CHECK_FALSE(scene.arrives());
    scene.receiver.add_source_specific_membership(kLoopback, kGroup, kLoopback);
    CHECK(scene.arrives());
    scene.receiver.drop_source_specific_membership(kLoopback, kGroup, kLoopback);
    CHECK_FALSE(scene.arrives());
  });
}

TEST_CASE("a group is an address of multicast, an interface one of this machine") {
  test::run([] {
    auto socket = udp_socket();

    CHECK(code_of([&] { socket.add_membership("group"); }) == std::errc::invalid_argument);
    CHECK(code_of([&] { socket.add_membership("127.0.0.1", kLoopback); }) ==
          std::errc::invalid_argument);
    CHECK(code_of([&] { socket.add_membership(kGroup, "eth0"); }) == std::errc::invalid_argument);
    CHECK(code_of([&] { socket.add_membership(kGroup, "192.0.2.1"); }) ==
          std::errc::no_such_device);
    CHECK(code_of([&] { socket.set_multicast_interface("192.0.2.1"); }) ==
          std::errc::address_not_available);
    CHECK_THROWS_WITH_AS(socket.drop_membership(kGroup, kLoopback),
                         "drop_membership 239.255.13.7: address not available (EADDRNOTAVAIL)",
                         std::system_error);
  });
}

TEST_CASE("a closed socket has no options and no address") {
  test::run([] {
    auto socket = udp_socket();
    socket.close();
    const std::function<void()> calls[] = {
        [&] { socket.set_ttl(1); },
        [&] { socket.set_broadcast(true); },
        [&] { socket.set_multicast_interface(kLoopback); },
        [&] { socket.add_membership(kGroup, kLoopback); },
        [&] { socket.set_recv_buffer_size(1); },
        [&] { static_cast<void>(socket.send_buffer_size()); },
        [&] { static_cast<void>(socket.local_address()); },
        [&] { socket.disconnect(); },
    };

    for (const auto& call : calls) CHECK(code_of(call) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a socket that was moved from says so") {
  test::run([] {
    auto socket = udp_socket();
    const auto kept = std::move(socket);
    std::array<std::byte, 1> buffer;
    const Address to;
    const std::function<void()> calls[] = {
        [&] { socket.receive(buffer); }, [&] { socket.receive_batch(); },
        [&] { socket.send("x"); },       [&] { socket.send_to("x", to, {}); },
        [&] { socket.send_batch({}); },  [&] { socket.connect(to); },
        [&] { socket.on_message({}); },  [&] { socket.pause(); },
        [&] { socket.set_ttl(1); },      [&] { socket.wait_closed(); },
        [&] { socket.ref(); },           [&] { static_cast<void>(socket.async_id()); },
    };

    for (const auto& call : calls) CHECK_THROWS_AS(call(), UsageError);
    CHECK(socket.is_closing());
    CHECK_FALSE(socket.is_connected());
    socket.close();
  });
}

TEST_CASE("a socket belongs to its loop's thread") {
  test::run([] {
    auto socket = udp_socket();
    std::thread other([&] {
      CHECK_THROWS_WITH_AS(
          socket.send_to("x", {}, {}),
          "send_to: this object belongs to the loop of another thread; Loop::post() there",
          UsageError);
    });
    other.join();
  });
  CHECK_THROWS_AS(udp_socket(), UsageError);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
