// BufferedWriter: gathers small writes into few large ones, to any stream.
//
//   io::BufferedWriter writer(peer);
//   for (const Row& row : rows) writer.write(row.text());
//   writer.flush();
//
// What is written reaches the stream when the buffer is full, and by flush(). The
// destructor cannot flush, because it must not wait: to drop a writer with bytes in it
// ends the process, unless an exception unwinds it or a write failed before; who does
// not want the bytes any more says discard().
//
// The stream must outlive it. One call at a time. Source: Go's bufio.Writer.
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <string_view>

#include <weft/ctx/error.h>
#include <weft/io/concepts.h>
#include <weft/io/detail/byte_buffer.h>

namespace weft {

namespace detail {
// Ends the process.
[[noreturn]] void unflushed(std::size_t bytes) noexcept;
}  // namespace detail

namespace io {

struct BufferedWriterOptions {
  // Units: bytes, as many of which reach the stream at once. A larger write does not go
  // through the buffer.
  std::size_t buffer_bytes = std::size_t{16} * 1024;
};

template <Writer S>
class BufferedWriter {
 public:
  using Options = BufferedWriterOptions;

  // Errors: UsageError when the buffer has no room for a byte.
  explicit BufferedWriter(S& stream, Options options = {})
      : stream_(stream), buffer_(options.buffer_bytes) {
    if (options.buffer_bytes == 0) throw UsageError("BufferedWriter: buffer_bytes is 0");
  }
  BufferedWriter(const BufferedWriter&) = delete;
  BufferedWriter& operator=(const BufferedWriter&) = delete;
  ~BufferedWriter() {
    if (buffer_.size() > 0 && std::uncaught_exceptions() <= unwinding_) {
      weft::detail::unflushed(buffer_.size());
    }
  }

  // Takes all of `bytes`.
  //
  // Context:  fiber
  // Suspends: when the buffer is full, as the stream does.
  // Errors:   as the stream's; what was buffered is gone then.
  // Cancel:   as the stream's write(), which closes the stream.
  void write(std::span<const std::byte> bytes) {
    if (buffer_.size() + bytes.size() > buffer_.usual_bytes()) flush();
    if (bytes.size() >= buffer_.usual_bytes()) return stream_.write(bytes);
    if (bytes.empty()) return;
    std::memcpy(buffer_.room(buffer_.usual_bytes()).data(), bytes.data(), bytes.size());
    buffer_.add(bytes.size());
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  // Writes what is buffered. Errors and cancellation as write().
  //
  // Context:  fiber
  // Suspends: as the stream does; not when nothing is buffered.
  void flush() {
    if (buffer_.size() == 0) return;
    try {
      stream_.write(buffer_.filled());
    } catch (...) {
      discard();  // how much of it was written is not known
      throw;
    }
    discard();
  }

  // Forgets what is buffered.
  void discard() noexcept { buffer_.drop(buffer_.size()); }

  // Units: bytes
  std::size_t buffered() const noexcept { return buffer_.size(); }

 private:
  S& stream_;
  weft::detail::ByteBuffer buffer_;
  const int unwinding_ = std::uncaught_exceptions();  // when it was made
};

}  // namespace io
}  // namespace weft
