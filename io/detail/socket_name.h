// name_of: the addresses at both ends of a socket.
#pragma once

#include <optional>
#include <sys/socket.h>

#include <weft/io/address.h>

namespace weft::detail {

// What `get_name`, of libuv's getters, says of `handle`; nothing when it fails.
template <typename Uv, typename GetName>
std::optional<io::Address> name_of(const Uv* handle, GetName get_name) noexcept {
  sockaddr_storage storage;
  int length = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (get_name(handle, raw, &length) != 0) return std::nullopt;
  return io::Address::from_raw(raw);
}

}  // namespace weft::detail
