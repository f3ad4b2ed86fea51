// copy: everything from one stream to another, no faster than the other takes it.
//
//   const std::uint64_t bytes = io::copy(upload, file);
//   to.shutdown();  // copy() leaves both open
//
// Source: Go's io.Copy; Node's stream.pipeline() ends the target as well.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include <weft/ctx/error.h>
#include <weft/io/concepts.h>

namespace weft::io {

struct CopyOptions {
  // Units: bytes read and written at a time, and held meanwhile.
  std::size_t buffer_bytes = std::size_t{64} * 1024;
  // Units: bytes; what is behind them stays unread.
  std::uint64_t bytes_max = std::numeric_limits<std::uint64_t>::max();
};

// Copies until `from` ends or bytes_max; returns the number of bytes.
//
// Context:  fiber
// Suspends: as the two streams do.
// Errors:   as theirs; UsageError when the buffer has no room for a byte.
// Cancel:   between bytes that were read and written nothing is lost while `from` is
//           waited for; a cancelled write() closes `to`.
template <Reader From, Writer To>
std::uint64_t copy(From& from, To& to, CopyOptions options = {}) {
  if (options.buffer_bytes == 0) throw UsageError("copy: buffer_bytes is 0");
  const std::unique_ptr<std::byte[]> buffer(new std::byte[options.buffer_bytes]);
  std::uint64_t copied = 0;
  while (copied < options.bytes_max) {
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(options.buffer_bytes, options.bytes_max - copied));
    const std::size_t count = from.read(std::span(buffer.get(), size));
    if (count == 0) break;
    to.write(std::span<const std::byte>(buffer.get(), count));
    copied += count;
  }
  return copied;
}

}  // namespace weft::io
