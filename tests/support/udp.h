// What tests of UDP share: sockets on loopback, and one whose kernel has no room.
#pragma once

#include <cstddef>
#include <netinet/in.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/runtime/testing/run_test.h>

namespace weft::test {

using testing::wait_all_parked;

inline io::UdpSocket udp_socket(io::UdpOptions options = {}) {
  return io::UdpSocket::bind("127.0.0.1", 0, options);
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string receive_text(io::UdpSocket& socket, std::size_t size = 65536) {
  std::string text(size, '\0');
  text.resize(socket.receive(std::as_writable_bytes(std::span(text))).count);
  return text;
}

// An address of this machine at which nobody receives.
inline io::Address unused_address() {
  return udp_socket().local_address();
}

// A sender whose datagrams wait until make_room(). The kernel cuts them to fragments, as
// on a network of small packets, and its smallest buffer does not hold all of one.
struct StuckSender {
  io::UdpSocket receiver = io::UdpSocket::bind("::1", 0);
  io::UdpSocket socket = io::UdpSocket::bind("::1", 0);
  io::Address to = receiver.local_address();
  std::string text = std::string(8000, 'x');

  StuckSender() {
    constexpr int kPacketBytes = 1280;
    REQUIRE(::setsockopt(descriptor(), IPPROTO_IPV6, IPV6_MTU, &kPacketBytes,
                         sizeof kPacketBytes) == 0);
    socket.set_send_buffer_size(1);
  }

  void make_room() { socket.set_send_buffer_size(std::size_t{1} << 20); }

 private:
  // By its address: a socket does not show it.
  int descriptor() const {
    constexpr int kDescriptorsMax = 4096;
    for (int fd = 3; fd < kDescriptorsMax; ++fd) {
      sockaddr_storage name{};
      socklen_t length = sizeof name;
      auto* const raw = reinterpret_cast<sockaddr*>(&name);
      if (::getsockname(fd, raw, &length) != 0 || raw->sa_family != AF_INET6) continue;
      if (io::Address::from_raw(raw) == socket.local_address()) return fd;
    }
    return -1;
  }
};

}  // namespace weft::test
