// What scenarios of streams share.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft::test {

// What arrives until the end of the stream.
template <typename Stream>
std::string read_all(Stream& stream) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = stream.read(std::as_writable_bytes(std::span(buffer)))) {
    text.append(buffer.data(), count);
  }
  return text;
}

// Writes back what arrives until the end of the stream.
template <typename Stream>
void echo(Stream& stream) {
  std::array<std::byte, 16> buffer{};
  while (const std::size_t count = stream.read(buffer)) {
    stream.write(std::span<const std::byte>(buffer).first(count));
  }
}

inline void require_same(std::string_view seen, std::string_view expected) {
  if (seen != expected) throw std::logic_error("other bytes arrived than were sent");
}

}  // namespace weft::test
