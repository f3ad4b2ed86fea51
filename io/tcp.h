// TCP: connections and listeners, for fibers and for callbacks.
//
//   auto listener = io::TcpListener::bind("127.0.0.1", 8080);
//   for (;;) spawn([peer = listener.accept()]() mutable { echo(peer); });
//
// What a connection does as every stream is in stream.h, accepting in listener.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <weft/io/address.h>
#include <weft/io/listener.h>
#include <weft/io/stream.h>
#include <weft/io/tcp_options.h>
#include <weft/runtime/await.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
struct ConnectTarget;
class TcpServer;
class TcpSocket;
}  // namespace detail

namespace io {

// A connect that calls back. Copies refer to the same one; dropping the last does not stop
// it, as with a Timeout. It is ignored by who does not want to cancel.
//
//   auto connecting = io::TcpStream::connect("example.org", 80, {.timeout = 5s}, done);
//   stop_button.on_click([connecting]() mutable { connecting.cancel(); });
//
// Context: the loop's thread.
class Connecting {
 public:
  // Refers to none.
  Connecting() noexcept = default;

  // Ends it: `done` gets operation_canceled, and nothing is left open. Does nothing to one
  // that has ended.
  // Errors: UsageError on another thread.
  void cancel();
  // Whether `done` has not been called.
  bool is_pending() const noexcept;

 private:
  friend class TcpStream;
  struct State;
  explicit Connecting(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

  std::shared_ptr<State> state_;  // null: none
};

// A connection.
class TcpStream : public Stream {
 public:
  // Connects to `host`, an IP address or a name, or to one of several addresses: the
  // first that answers (RFC 8305, "happy eyeballs"). They are tried in turn, the families
  // alternating, each when the one before has failed or has not answered within
  // `attempt_delay`. Those before go on meanwhile; once one answers the others are closed.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, always; the other never.
  // Units:    `port` in host byte order.
  // Errors:   connection_refused (also where nobody listens and the kernel would connect
  //           the socket to itself), timed_out (the peer's, or `timeout`), host_unreachable
  //           ..., operation_canceled (Connecting::cancel()); for a name that
  //           does not exist uv_category()'s EAI_NONAME. The text names the address
  //           tried last, or `host:port` when there was none. UsageError for no address.
  // Cancel:   the attempts end; nothing is left open. A lookup that runs ends unheard
  //           (io::lookup_all).
  // Source:   Node `net.connect` with `autoSelectFamily`, which gives an attempt up when
  //           it starts the next; uv_tcp_connect.
  static TcpStream connect(std::string_view host, std::uint16_t port, ConnectOptions options = {},
                           const SourceLocation& at = SourceLocation::current());
  static Connecting connect(std::string_view host, std::uint16_t port, Callback<TcpStream> done,
                            const SourceLocation& at = SourceLocation::current());
  static Connecting connect(std::string_view host, std::uint16_t port, ConnectOptions options,
                            Callback<TcpStream> done,
                            const SourceLocation& at = SourceLocation::current());
  static TcpStream connect(std::span<const Address> to, ConnectOptions options = {},
                           const SourceLocation& at = SourceLocation::current());
  static Connecting connect(std::span<const Address> to, ConnectOptions options,
                            Callback<TcpStream> done,
                            const SourceLocation& at = SourceLocation::current());

  // Whether small writes go out at once: TCP_NODELAY.
  void set_no_delay(bool on);
  // Whether the kernel probes an idle peer, and after how long; on needs >= 1 s.
  void set_keep_alive(bool on, std::chrono::seconds idle = std::chrono::seconds(60));
  // Errors: not_connected.
  Address local_address() const;
  Address peer_address() const;

 private:
  friend struct weft::detail::StreamAccess;
  using Stream::Stream;
  weft::detail::TcpSocket& socket(const char* what) const;
  static TcpStream connect_to(weft::detail::ConnectTarget target);
  static Connecting connect_to(weft::detail::ConnectTarget target, Callback<TcpStream> done);
};

extern template class ListenerOf<TcpStream>;

// A listening socket.
class TcpListener : public ListenerOf<TcpStream> {
 public:
  // Binds to `ip`, 0.0.0.0 and :: for all, and listens. Port 0 picks a free one.
  //
  // Context: loop thread
  // Errors:  address_in_use, permission_denied, address_not_available; the text
  //          names the address. invalid_argument when `ip` is not an IP address.
  static TcpListener bind(std::string_view ip, std::uint16_t port, ListenOptions options = {},
                          const SourceLocation& at = SourceLocation::current());

  Address address() const;
  std::uint16_t port() const { return address().port(); }

 private:
  friend struct weft::detail::StreamAccess;
  using ListenerOf::ListenerOf;
};

}  // namespace io
}  // namespace weft
