// Bytes: what is sent and received, for libuv and from text.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include <uv.h>

namespace weft::detail {

using Bytes = std::span<const std::byte>;

inline Bytes bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text));
}

inline uv_buf_t to_uv(Bytes bytes) noexcept {
  uv_buf_t buffer;
  // libuv writes only to what it was given for reading.
  buffer.base = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  buffer.len = bytes.size();
  return buffer;
}

// Where a loop's handlers see what came: one per thread, used within one callback.
// 64 KiB, more than any datagram has; empty where there is no memory for it.
inline std::span<std::byte> shared_buffer() noexcept {
  constexpr std::size_t kBytes = std::size_t{64} * 1024;
  static thread_local std::unique_ptr<std::byte[]> buffer;
  if (buffer == nullptr) buffer.reset(new (std::nothrow) std::byte[kBytes]);
  return {buffer.get(), buffer == nullptr ? 0 : kBytes};
}

}  // namespace weft::detail
