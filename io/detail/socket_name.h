// name_of: the addresses at both ends of a socket.
#pragma once

#include <optional>
#include <sys/socket.h>

#include <weft/io/address.h>

namespace weft::detail {

// What `get_name`, of libuv's getters, says of `handle`; nothing when it fails, and `code`
// tells why.
template <typename Uv, typename GetName>
std::optional<io::Address> name_of(const Uv* handle, GetName get_name,
                                   int* code = nullptr) noexcept {
  sockaddr_storage storage;
  int length = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  const int outcome = get_name(handle, raw, &length);
  if (code != nullptr) *code = outcome;
  if (outcome != 0) return std::nullopt;
  return io::Address::from_raw(raw);
}

}  // namespace weft::detail
