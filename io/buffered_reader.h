// BufferedReader: reads what programs mean, lines and exact sizes, from any stream.
//
//   io::BufferedReader reader(peer);
//   while (auto line = reader.read_line(8192)) handle(*line);
//
// Every call takes all it returns, or nothing: a call that is cancelled, that fails or
// that exceeds its limit leaves what has come in the buffer, for the next call.
//
// The stream must outlive it, and is read by nobody else. One call at a time.
// Source: Go's bufio.Reader, asyncio's StreamReader.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <weft/ctx/error.h>
#include <weft/io/concepts.h>
#include <weft/io/detail/byte_buffer.h>

namespace weft {

namespace detail {
[[noreturn]] void raise_unexpected_end(const char* what, std::size_t bytes);
[[noreturn]] void raise_limit(const char* what, std::size_t limit);
}  // namespace detail

namespace io {

struct BufferedReaderOptions {
  // Units: bytes asked of the stream at a time. The buffer grows beyond it for what one
  // call has to return whole.
  std::size_t buffer_bytes = std::size_t{16} * 1024;
};

template <Reader S>
class BufferedReader {
 public:
  using Options = BufferedReaderOptions;

  // Errors: UsageError when the buffer has no room for a byte.
  explicit BufferedReader(S& stream, Options options = {})
      : stream_(stream), buffer_(options.buffer_bytes) {
    if (options.buffer_bytes == 0) throw UsageError("BufferedReader: buffer_bytes is 0");
  }
  BufferedReader(const BufferedReader&) = delete;
  BufferedReader& operator=(const BufferedReader&) = delete;
  ~BufferedReader() = default;

  // As the stream's read(): at least one byte, or 0 at the end.
  //
  // Context:  fiber
  // Suspends: when nothing is buffered, as the stream does.
  // Errors:   as the stream's, for all calls here.
  // Cancel:   nothing is lost; so for all calls here.
  std::size_t read(std::span<std::byte> into) {
    if (buffer_.size() == 0 && into.size() >= buffer_.usual_bytes()) return stream_.read(into);
    if (buffer_.size() == 0 && !fill(1)) return 0;
    const std::size_t count = std::min(into.size(), buffer_.size());
    take(into.first(count));
    return count;
  }

  // Fills all of `into`.
  //
  // Errors: uv_category()'s EOF when the stream ends before.
  void read_exactly(std::span<std::byte> into) {
    if (!fill(into.size())) weft::detail::raise_unexpected_end("read_exactly", into.size());
    take(into);
  }

  // Reads up to and with `delimiter`; nullopt at the end of the stream.
  //
  // Units:  `limit` in bytes, the delimiter included.
  // Errors: message_size when more come without one; uv_category()'s EOF when the stream
  //         ends behind other bytes. UsageError when the delimiter is empty.
  std::optional<std::string> read_until(std::string_view delimiter, std::size_t limit) {
    if (delimiter.empty()) throw UsageError("read_until: the delimiter is empty");
    const std::size_t size = find(delimiter, limit, "read_until");
    if (size == 0 && buffer_.size() == 0) return std::nullopt;
    if (size == 0) weft::detail::raise_unexpected_end("read_until", buffer_.size() + 1);
    return take_text(size);
  }

  // Reads a line and returns it without its "\n" or "\r\n"; nullopt at the end of the
  // stream. The last line needs no end.
  //
  // Units:  `limit` in bytes, the line's end included.
  // Errors: message_size when a line is longer.
  std::optional<std::string> read_line(std::size_t limit) {
    const std::size_t size = find("\n", limit, "read_line");
    if (size == 0 && buffer_.size() == 0) return std::nullopt;
    std::string line = take_text(size == 0 ? buffer_.size() : size);
    if (size != 0) line.pop_back();
    if (size != 0 && line.ends_with('\r')) line.pop_back();
    return line;
  }

  // Reads all until the end of the stream.
  //
  // Units:  `limit` in bytes.
  // Errors: message_size when there is more.
  std::string read_all(std::size_t limit) {
    while (buffer_.size() <= limit) {
      if (!fill(buffer_.size() + 1)) return take_text(buffer_.size());
    }
    weft::detail::raise_limit("read_all", limit);
  }

  // What comes next, at least `bytes` of it unless the stream ends before; a later call
  // returns it, too.
  // Shape: valid until the next call.
  std::span<const std::byte> peek(std::size_t bytes) {
    fill(bytes);
    return buffer_.filled();
  }

 private:
  // Reads until so much is buffered. False: the stream ended before.
  bool fill(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      const std::size_t count = stream_.read(buffer_.room(bytes));
      if (count == 0) return false;
      buffer_.add(count);
    }
    return true;
  }

  // The size of what ends with `delimiter`; 0: the stream ends without it.
  std::size_t find(std::string_view delimiter, std::size_t limit, const char* what) {
    std::size_t searched = 0;
    for (;;) {
      const auto at = text().substr(0, limit).find(delimiter, searched);
      if (at != std::string_view::npos) return at + delimiter.size();
      if (buffer_.size() >= limit) weft::detail::raise_limit(what, limit);
      searched = std::max(buffer_.size(), delimiter.size() - 1) - (delimiter.size() - 1);
      if (!fill(buffer_.size() + 1)) return 0;
    }
  }

  std::string_view text() const noexcept {
    const auto bytes = buffer_.filled();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string take_text(std::size_t size) {
    std::string taken(text().substr(0, size));
    buffer_.drop(size);
    return taken;
  }
  void take(std::span<std::byte> into) noexcept {
    if (into.empty()) return;
    std::memcpy(into.data(), buffer_.filled().data(), into.size());
    buffer_.drop(into.size());
  }

  S& stream_;
  weft::detail::ByteBuffer buffer_;
};

}  // namespace io
}  // namespace weft
