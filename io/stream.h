// Stream: bytes both ways, as fibers and as callbacks see them; what TCP connections,
// pipes and terminals share.
//
// Each operation exists twice: a call that waits, for fibers, and one that takes
// `done`, for callbacks. Code without fibers sets persistent handlers instead
// (on_data, on_end, ...), as in Node.
//
//   void greet(io::Stream& peer) { peer.write("hello\n"); }  // over TCP, a pipe, a terminal
//
// Callbacks and handlers see the context of the call that took them; in Node an
// accepted socket's handlers see none.
//
// Owners: moving one moves the stream, dropping one closes it. A TcpStream may be
// moved into a Stream, which then has what all streams have. All of it belongs to the
// loop's thread: a call on another thread, or on an owner that was moved from, throws
// UsageError (close() of one that was moved from does nothing); dropping an open one on
// another thread ends the process.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/result.h>

namespace weft {

namespace detail {
class Stream;
struct StreamAccess;

template <typename F>
concept TakesErrorOnly = !std::is_invocable_v<F&> && std::is_invocable_v<F&, Error>;
}  // namespace detail

namespace io {

class Stream {
 public:
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  // Reads up to `into.size()` bytes. Completes with at least one, or with 0 at end
  // of stream.
  //
  // Suspends: the form without `done`, unless bytes have arrived already.
  // Shape:    `into` must stay valid until completion; one read at a time.
  // Errors:   connection_reset; bad_file_descriptor (the stream is closed);
  //           operation_canceled (it was closed meanwhile). UsageError for a second
  //           read, an empty buffer, or together with on_data().
  // Cancel:   nothing is lost: the next read gets what arrives.
  // Source:   uv_read_start, kept started; bytes nobody waits for are buffered, up
  //           to 16 KiB, then reading pauses.
  std::size_t read(std::span<std::byte> into);
  void read(std::span<std::byte> into, Callback<std::size_t> done);

  // Writes all of `bytes`, or of each piece in order. Writes do not interleave.
  //
  // Suspends: the form without `done`, unless the kernel takes all at once.
  // Shape:    without `done`, valid until it returns; with `done`, until the call
  //           returns: what the kernel does not take is copied. `done` may be empty.
  // Errors:   broken_pipe, connection_reset; bad_file_descriptor (closed);
  //           operation_canceled (closed meanwhile). UsageError after shutdown().
  // Cancel:   closes the stream: how much was written is not known.
  // Source:   uv_try_write, then uv_write for the rest.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void write(std::span<const std::span<const std::byte>> pieces);
  void write(std::span<const std::byte> bytes, Callback<void> done);
  void write(std::string_view text, Callback<void> done);
  void write(std::span<const std::span<const std::byte>> pieces, Callback<void> done);

  // Writes what the kernel takes at once, and returns how much; 0: nothing.
  //
  // Errors: as write().
  // Source: uv_try_write.
  std::size_t try_write(std::span<const std::byte> bytes);

  // What waits to be written: bytes that write(..., done) copied because the kernel did not
  // take them, and those of fibers that wait in write(). Nothing limits the former: a peer
  // that does not read makes them grow. Who writes from callbacks looks at it, stops what
  // brings the bytes, and goes on in the `done` of the write, which is called when all up
  // to it is written:
  //
  //   to.write(bytes, [&](Result<void>) { from.resume(); });
  //   if (to.write_queue_bytes() > 64 * 1024) from.pause();
  //
  // 0 once it is closed, and of a file, which takes all at once.
  // Source: uv_stream_get_write_queue_size; Node `socket.writableLength`.
  std::size_t write_queue_bytes() const;

  // Ends the writing side once all writes are done; the peer reads end of stream.
  // Reading goes on. A second call does nothing.
  //
  // Suspends: the form without `done`, until the writes are done.
  // Errors:   not_connected; bad_file_descriptor (closed).
  // Cancel:   closes the stream.
  // Source:   uv_shutdown; Node `socket.end()`.
  void shutdown();
  void shutdown(Callback<void> done);

  // Starts closing: pending operations end with operation_canceled, then the close
  // handler runs. A second call does nothing.
  void close();
  // The same because of an error: pending operations end with it instead, so that who
  // waits learns why; then on_error's handler is told, then on_close's.
  //
  //   peer.close({std::make_error_code(std::errc::timed_out), "request"});
  //
  // Errors: UsageError for a code that is no error.
  // Source: Node `socket.destroy(error)`.
  void close(Error why);
  void close(std::error_code why);
  bool is_closing() const noexcept;
  // Waits until a close has ended.
  // Context: fiber
  void wait_closed();

  // Calls the handler with whatever arrives; starts reading. `bytes` is valid
  // during the call. At the end of the stream on_end's handler is called, on the
  // tick after the last read, at an error on_error's; without one the stream is closed.
  // Errors: UsageError while a read is pending.
  void on_data(UniqueFunction<void(std::span<const std::byte> bytes)> handler);
  void on_end(UniqueFunction<void()> handler);
  void on_error(UniqueFunction<void(Error error)> handler);
  // Called once the stream is closed, by whatever; handlers are dropped after it. One that
  // takes an Error gets what the stream ended with: that of close(error), or the one that
  // ended reading. Its code is 0 when there was none.
  // Source: Node 'close', whose handler gets whether there was an error.
  void on_close(UniqueFunction<void()> handler);
  template <weft::detail::TakesErrorOnly F>
  void on_close(F handler) {
    tell_why_closed(std::move(handler));
  }
  // Calls `fn` once nothing was read or written for `idle`, or what waits to be written
  // has not become less; once for each set_timeout(), and not after a close. Another call
  // replaces it, 0 ends it. The stream stays open: fn closes it, say with close(error), or
  // asks the peer and sets another. It keeps no loop alive.
  //
  // Units:  whole milliseconds, rounded up.
  // Errors: UsageError for less than 0.
  // Source: Node `socket.setTimeout(ms, fn)`. One timer a stream, which activity does not
  //         touch.
  void set_timeout(std::chrono::nanoseconds idle, UniqueFunction<void()> fn = {});
  // Stops and restarts on_data's handler; meanwhile the kernel's buffers fill.
  void pause();
  void resume();

  // Whether the stream keeps the loop alive while it reads; at first it does.
  void ref();
  void unref();
  AsyncId async_id() const;
  // The descriptor, which stays the stream's: for options that weft does not have.
  // Errors: bad_file_descriptor (the stream is closed).
  int fd() const;

 protected:
  using Block = weft::detail::HandlePtr<weft::detail::Stream>;
  explicit Stream(Block block) noexcept;

 private:
  friend struct weft::detail::StreamAccess;
  weft::detail::Stream& block(const char* what) const;
  void tell_why_closed(UniqueFunction<void(Error why)> handler);

  Block block_;
};

}  // namespace io
}  // namespace weft
