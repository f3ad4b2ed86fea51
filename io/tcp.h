// TCP: connections and listeners, for fibers and for callbacks.
//
//   auto listener = io::TcpListener::bind("127.0.0.1", 8080);
//   for (;;) spawn([peer = listener.accept()]() mutable { echo(peer); });
//
// What a connection does as every stream is in stream.h, accepting in listener.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

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
  //           the socket to itself), timed_out, host_unreachable ...; for a name that
  //           does not exist uv_category()'s EAI_NONAME. The text names the address
  //           tried last, or `host:port` when there was none. UsageError for no address.
  // Cancel:   the attempts end; nothing is left open. A lookup that runs ends unheard
  //           (io::lookup_all).
  // Source:   Node `net.connect` with `autoSelectFamily`, which gives an attempt up when
  //           it starts the next; uv_tcp_connect.
  static TcpStream connect(std::string_view host, std::uint16_t port, ConnectOptions options = {},
                           const SourceLocation& at = SourceLocation::current());
  static void connect(std::string_view host, std::uint16_t port, Callback<TcpStream> done,
                      const SourceLocation& at = SourceLocation::current());
  static void connect(std::string_view host, std::uint16_t port, ConnectOptions options,
                      Callback<TcpStream> done,
                      const SourceLocation& at = SourceLocation::current());
  static TcpStream connect(std::span<const Address> to, ConnectOptions options = {},
                           const SourceLocation& at = SourceLocation::current());
  static void connect(std::span<const Address> to, ConnectOptions options, Callback<TcpStream> done,
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
  static void connect_to(weft::detail::ConnectTarget target, Callback<TcpStream> done);
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
