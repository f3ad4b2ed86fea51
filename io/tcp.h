// TCP: listeners and streams, for fibers and for callbacks.
//
// Each operation exists twice: a call that waits, for fibers, and one that takes
// `done`, for callbacks. A server without fibers sets persistent handlers instead
// (on_connection, on_data, ...), as in Node.
//
//   auto listener = io::TcpListener::bind("127.0.0.1", 8080);
//   for (;;) spawn([peer = listener.accept()]() mutable { echo(peer); });
//
// Callbacks and handlers see the context of the call that took them; in Node an
// accepted socket's handlers see none.
//
// Owners: moving one moves the connection, dropping one closes it. All of it
// belongs to the loop's thread: a call on another thread, or on an owner that was
// moved from, throws UsageError (close() of one that was moved from does nothing);
// dropping an open one on another thread ends the process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/address.h>
#include <weft/io/tcp_options.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/result.h>

namespace weft {

namespace detail {
class TcpServer;
class TcpSocket;
}  // namespace detail

namespace io {

// A connection.
class TcpStream {
 public:
  // Connects to the first address of `host`, an IP address or a name, that answers.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, always; the other never.
  // Units:    `port` in host byte order.
  // Errors:   connection_refused, timed_out, host_unreachable ...; for a name that
  //           does not exist uv_category()'s EAI_NONAME. The text names the address
  //           tried last, or `host:port` when there was none.
  // Cancel:   the attempt ends; nothing is left open.
  // Source:   Node `net.connect`; uv_tcp_connect, uv_getaddrinfo.
  static TcpStream connect(std::string_view host, std::uint16_t port);
  static void connect(std::string_view host, std::uint16_t port, Callback<TcpStream> done);

  TcpStream(TcpStream&&) noexcept;
  TcpStream& operator=(TcpStream&&) noexcept;
  ~TcpStream();

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
  // Called once the stream is closed, by whatever; handlers are dropped after it.
  void on_close(UniqueFunction<void()> handler);
  // Stops and restarts on_data's handler; meanwhile the kernel's buffers fill.
  void pause();
  void resume();

  // Whether small writes go out at once: TCP_NODELAY.
  void set_no_delay(bool on);
  // Whether the kernel probes an idle peer, and after how long; on needs >= 1 s.
  void set_keep_alive(bool on, std::chrono::seconds idle = std::chrono::seconds(60));
  // Errors: not_connected.
  Address local_address() const;
  Address peer_address() const;

  // Whether the stream keeps the loop alive while it reads; at first it does.
  void ref();
  void unref();
  AsyncId async_id() const;

 private:
  friend class TcpListener;
  using Block = weft::detail::HandlePtr<weft::detail::TcpSocket>;
  explicit TcpStream(Block block) noexcept;
  weft::detail::TcpSocket& block(const char* what) const;

  Block block_;
};

// A listening socket.
class TcpListener {
 public:
  // Binds to `ip`, 0.0.0.0 and :: for all, and listens. Port 0 picks a free one.
  //
  // Context: loop thread
  // Errors:  address_in_use, permission_denied, address_not_available; the text
  //          names the address. invalid_argument when `ip` is not an IP address.
  static TcpListener bind(std::string_view ip, std::uint16_t port, ListenOptions options = {});

  TcpListener(TcpListener&&) noexcept;
  TcpListener& operator=(TcpListener&&) noexcept;
  ~TcpListener();

  // Waits for a connection.
  //
  // Suspends: the form without `done`, unless one waits already.
  // Errors:   operation_canceled (closed meanwhile), bad_file_descriptor (closed);
  //           what accept(2) says, EMFILE above all: the next accept then waits for
  //           a pause, 5 ms at first and up to a second, and who waits is not lost.
  //           UsageError for a second accept at a time, or together with
  //           on_connection().
  // Cancel:   nothing is lost: the next accept gets what arrives.
  // Source:   accept(2). libuv's, which Node uses, drops all who wait at EMFILE.
  TcpStream accept();
  void accept(Callback<TcpStream> done);

  // Calls the handler with each connection; nobody else may accept then.
  void on_connection(UniqueFunction<void(TcpStream connection)> handler);
  // Called when accepting fails; the listener goes on, after the same pause.
  void on_error(UniqueFunction<void(Error error)> handler);
  void on_close(UniqueFunction<void()> handler);

  void close();
  bool is_closing() const noexcept;
  // Context: fiber
  void wait_closed();

  Address address() const;
  std::uint16_t port() const { return address().port(); }

  // Whether the listener keeps the loop alive; at first it does.
  void ref();
  void unref();
  AsyncId async_id() const;

 private:
  using Block = weft::detail::HandlePtr<weft::detail::TcpServer>;
  explicit TcpListener(Block block) noexcept;
  weft::detail::TcpServer& block(const char* what) const;

  Block block_;
};

}  // namespace io
}  // namespace weft
