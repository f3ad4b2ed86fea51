// Ports of 127.0.0.1 to which nobody can connect.
#pragma once

#include <array>
#include <cstdint>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weft/io/address.h>
#include <weft/io/tcp.h>

namespace weft::test {

// One that refuses.
inline std::uint16_t closed_port() {
  auto listener = io::TcpListener::bind("127.0.0.1", 0);
  const std::uint16_t port = listener.port();
  listener.close();
  listener.wait_closed();
  return port;
}

// One that never answers while it lives: the kernel has no room for those who wait there.
class SilentPort {
 public:
  SilentPort() : listener_(open()) {
    const io::Address any = io::Address::parse("127.0.0.1", 0);
    REQUIRE(bind(listener_, any.raw(), sizeof(sockaddr_in)) == 0);
    REQUIRE(listen(listener_, 0) == 0);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &length) == 0);
    address_ = io::Address::from_raw(reinterpret_cast<const sockaddr*>(&bound));
    for (int& client : clients_) {
      client = open();
      static_cast<void>(connect(client, address_.raw(), sizeof(sockaddr_in)));
    }
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  ~SilentPort() {
    for (const int client : clients_) close(client);
    close(listener_);
  }

  const io::Address& address() const noexcept { return address_; }

 private:
  static int open() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    return fd;
  }

  int listener_;
  io::Address address_;
  std::array<int, 4> clients_{};  // one or two fill the backlog
};

}  // namespace weft::test
