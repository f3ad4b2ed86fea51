#include <cstring>

#include <uv.h>

#include <weft/io/address.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {
namespace {

static_assert(sizeof(sockaddr_in6) == 28 && sizeof(sockaddr_in) <= 28);

}  // namespace

Address::Address() noexcept {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  std::memcpy(storage_.data(), &any, sizeof any);
}

std::optional<Address> Address::try_parse(std::string_view ip, std::uint16_t port) noexcept {
  char text[64];
  if (ip.size() >= sizeof text || ip.find('\0') != ip.npos) return std::nullopt;
  std::memcpy(text, ip.data(), ip.size());
  text[ip.size()] = '\0';
  sockaddr_in four{};
  if (uv_ip4_addr(text, port, &four) == 0) {
    return from_raw(reinterpret_cast<const sockaddr*>(&four));
  }
  sockaddr_in6 six{};
  if (uv_ip6_addr(text, port, &six) == 0) {
    return from_raw(reinterpret_cast<const sockaddr*>(&six));
  }
  return std::nullopt;
}

Address Address::parse(std::string_view ip, std::uint16_t port) {
  if (auto address = try_parse(ip, port)) return *address;
  weft::detail::uv_error(UV_EINVAL, "address '" + std::string(ip) + "'").raise();
}

Address Address::from_raw(const sockaddr* raw) noexcept {
  Address address;
  std::memcpy(address.storage_.data(), raw,
              raw->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
  return address;
}

const sockaddr* Address::raw() const noexcept {
  return reinterpret_cast<const sockaddr*>(storage_.data());
}

bool Address::is_ipv6() const noexcept {
  return raw()->sa_family == AF_INET6;
}

std::string Address::ip() const {
  char text[64];
  if (is_ipv6()) {
    uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(storage_.data()), text, sizeof text);
  } else {
    uv_ip4_name(reinterpret_cast<const sockaddr_in*>(storage_.data()), text, sizeof text);
  }
  return text;
}

std::uint16_t Address::port() const noexcept {
  // The port is at the same place in both.
  return ntohs(reinterpret_cast<const sockaddr_in*>(storage_.data())->sin_port);
}

Address Address::with_port(std::uint16_t port) const noexcept {
  Address changed = *this;
  reinterpret_cast<sockaddr_in*>(changed.storage_.data())->sin_port = htons(port);
  return changed;
}

std::string Address::to_string() const {
  std::string text = is_ipv6() ? "[" : "";
  text += ip();
  text += is_ipv6() ? "]:" : ":";
  return text += std::to_string(port());
}

bool Address::operator==(const Address& other) const noexcept {
  return storage_ == other.storage_;
}

}  // namespace weft::io
