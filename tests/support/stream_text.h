// Text over streams of any kind, for tests.
#pragma once

#include <span>
#include <string>

namespace weft::test {

// What one read gets, "" at the end of the stream.
template <typename Stream>
std::string read_some(Stream& stream, std::size_t bytes_max = 1000) {
  std::string text(bytes_max, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

// All that comes until the end of the stream.
template <typename Stream>
std::string read_to_end(Stream& stream) {
  std::string all;
  for (std::string part = read_some(stream); !part.empty(); part = read_some(stream)) all += part;
  return all;
}

}  // namespace weft::test
