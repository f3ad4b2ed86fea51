// Reader and Writer: what the compositions of io/ ask of a stream.
//
// TcpStream, PipeStream, Tty and testing::MemoryStream are both; a BufferedReader is a
// Reader, a BufferedWriter a Writer.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

namespace weft::io {

// read() yields at least one byte, or 0 at the end of the stream; it may wait.
template <typename T>
concept Reader = requires(T& stream, std::span<std::byte> into) {
  { stream.read(into) } -> std::same_as<std::size_t>;
};

// write() returns when all is written; it may wait.
template <typename T>
concept Writer = requires(T& stream, std::span<const std::byte> bytes) {
  stream.write(bytes);
};

}  // namespace weft::io
