// Address: an IP address and a port.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace weft::io {

class Address {
 public:
  // The address 0.0.0.0:0.
  Address() noexcept;

  // Shape:  `ip` in text form, "127.0.0.1" or "::1" (with an optional %zone).
  // Units:  `port` in host byte order.
  // Errors: std::errc::invalid_argument when `ip` is a name or malformed.
  static Address parse(std::string_view ip, std::uint16_t port);
  static std::optional<Address> try_parse(std::string_view ip, std::uint16_t port) noexcept;
  static Address from_raw(const sockaddr* raw) noexcept;

  std::string ip() const;
  std::uint16_t port() const noexcept;
  // This address with another port.
  Address with_port(std::uint16_t port) const noexcept;
  bool is_ipv6() const noexcept;
  // "127.0.0.1:80", "[::1]:80"
  std::string to_string() const;

  // Shape: valid as long as the address.
  const sockaddr* raw() const noexcept;

  bool operator==(const Address& other) const noexcept;

 private:
  alignas(8) std::array<std::byte, 28> storage_{};  // a sockaddr_in or sockaddr_in6
};

}  // namespace weft::io
