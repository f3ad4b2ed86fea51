// MemoryStream: both ends of a connection that needs no network.
//
//   auto [client, server] = MemoryStream::pair({.piece_bytes = 1});
//   auto serving = spawn([&, peer = std::move(server)]() mutable { serve(peer); });
//   client.write("GET / HTTP/1.1\r\n\r\n");  // arrives byte by byte
//
// It has the fiber style of TcpStream, name for name, so that code which takes its stream
// as a template parameter runs on either. What a network does now and then it does each
// time: bytes come in pieces, late, only while somebody reads, or not at all. Bytes are
// read in the order written, and never lost but by a reset.
//
// It belongs to the fibers of one loop. Both ends may outlive each other and the loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weft {

namespace detail {
class MemoryWire;
}

namespace io::testing {

// How bytes travel, in both directions.
struct MemoryStreamOptions {
  // Units: bytes on their way or unread, beyond which a write waits. 0: lockstep, a write
  // returns when all it wrote has been read.
  std::size_t capacity_bytes = std::size_t{64} * 1024;
  // Units: bytes; the most one read yields, and one step of a write.
  std::size_t piece_bytes = std::numeric_limits<std::size_t>::max();
  // What is written arrives so much later, the end of the stream too.
  std::chrono::milliseconds delay{0};
  // The connection is reset once so many bytes were written, the two ends together.
  std::size_t reset_after_bytes = std::numeric_limits<std::size_t>::max();
};

class MemoryStream {
 public:
  using Options = MemoryStreamOptions;

  static std::pair<MemoryStream, MemoryStream> pair(Options options = {});

  MemoryStream(MemoryStream&&) noexcept;
  MemoryStream& operator=(MemoryStream&&) noexcept;
  // Closes.
  ~MemoryStream();

  // Reads up to `into.size()` bytes: at least one, or 0 at end of stream.
  //
  // Context:  fiber
  // Suspends: unless bytes have arrived already.
  // Errors:   connection_reset; bad_file_descriptor (the stream is closed);
  //           operation_canceled (it was closed meanwhile). UsageError for a second read
  //           at a time or an empty buffer.
  // Cancel:   nothing is lost: the next read gets what arrives.
  std::size_t read(std::span<std::byte> into);

  // Writes all of `bytes`, or of each piece in order. Writes do not interleave.
  //
  // Context:  fiber
  // Suspends: unless there is room.
  // Errors:   broken_pipe (the peer has closed), connection_reset; bad_file_descriptor
  //           (closed); operation_canceled (closed meanwhile). UsageError after shutdown().
  // Cancel:   closes the stream: how much was written is not known.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void write(std::span<const std::span<const std::byte>> pieces);

  // Ends the writing side once all writes are done; the peer reads end of stream. Reading
  // goes on. A second call does nothing.
  //
  // Context:  fiber
  // Suspends: until the writes are done.
  // Errors:   bad_file_descriptor (closed).
  // Cancel:   closes the stream.
  void shutdown();

  // Pending calls end with operation_canceled. The peer reads what was written before,
  // then end of stream, and cannot write. A second call does nothing.
  void close();
  bool is_closing() const noexcept;
  void wait_closed() noexcept {}  // a close has ended when it returns

  // The test's: drops what is on its way; from now on both ends fail with
  // connection_reset.
  void reset();

 private:
  using Wire = weft::detail::MemoryWire;
  MemoryStream(std::shared_ptr<Wire> wire, int end) noexcept;
  Wire& wire(const char* what) const;

  std::shared_ptr<Wire> wire_;  // with the other end; null: moved from
  int end_ = 0;
};

}  // namespace io::testing
}  // namespace weft
