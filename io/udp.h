// UDP: sockets that send and receive datagrams, for fibers and for callbacks.
//
//   auto socket = io::UdpSocket::bind("127.0.0.1", 53);
//   std::array<std::byte, 512> buffer;
//   for (;;) {
//     const auto [count, peer, is_truncated] = socket.receive(buffer);
//     socket.send_to(std::span(buffer).first(count), peer);
//   }
//
// Nothing is queued here: datagrams that nobody waits for stay in the kernel's buffer
// (set_recv_buffer_size()), and what arrives while that is full is dropped by the
// kernel without a word. So is, on the way, anything else: UDP promises nothing.
//
// Addresses are io::Address, never names: looking one up is a step of its own, to be
// made once and not for every datagram. In Node `send` does it.
//
// A socket is an owner, as in tcp.h: moving it moves the socket, dropping it closes it,
// and it belongs to the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/address.h>
#include <weft/io/datagram.h>
#include <weft/io/udp_options.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/result.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class UdpSocket;
struct StreamAccess;
}  // namespace detail

namespace io {

class UdpSocket {
 public:
  // Binds to `ip`, 0.0.0.0 and :: for all. Port 0 picks a free one.
  //
  // Context: loop thread
  // Errors:  address_in_use, permission_denied, address_not_available; the text
  //          names the address. invalid_argument when `ip` is not an IP address.
  //          UsageError for options out of their range.
  static UdpSocket bind(std::string_view ip, std::uint16_t port, UdpOptions options = {},
                        const SourceLocation& at = SourceLocation::current());
  // A socket without an address: it gets a free port when it first sends or connects.
  //
  // Context: loop thread
  // Errors:  too_many_files_open, address_family_not_supported.
  static UdpSocket unbound(UdpFamily family, UdpOptions options = {},
                           const SourceLocation& at = SourceLocation::current());

  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  // Makes `peer` the one that send() sends to, and the only one to receive from.
  // Nothing is exchanged.
  // Errors: network_unreachable, ...; UsageError when the socket is connected.
  void connect(const Address& peer);
  // Undoes it.
  // Errors: UsageError when the socket is not connected.
  void disconnect();
  bool is_connected() const noexcept;

  // Receives one datagram.
  //
  // Suspends: the form without `done`, unless a batch has brought more than was taken.
  // Shape:    `into` must stay valid until completion; one call at a time.
  // Errors:   connection_refused (connected: an earlier datagram met no receiver);
  //           bad_file_descriptor (the socket is closed); operation_canceled (it was
  //           closed meanwhile). UsageError for a second call, an empty buffer, or
  //           together with on_message().
  // Cancel:   nothing is lost: the next call gets what arrives.
  // Source:   uv_udp_recv_start, kept started only while somebody waits; an empty
  //           datagram is data there, too.
  Received receive(std::span<std::byte> into);
  void receive(std::span<std::byte> into, Callback<Received> done);

  // Receives what one system call brings: at least one datagram, up to
  // UdpOptions::batch_max of them.
  //
  // Suspends: as receive().
  // Shape:    what it returns is valid until the next call that receives, or the
  //           socket's end.
  // Errors:   as receive(); UsageError when batch_max is 1.
  // Cancel:   nothing is lost.
  // Source:   UV_UDP_RECVMMSG.
  std::span<const Datagram> receive_batch();
  void receive_batch(Callback<std::span<const Datagram>> done);

  // Sends one datagram: to the peer the socket is connected to, or to `peer`.
  //
  // Suspends: the form without `done`, unless the kernel takes it at once.
  // Shape:    `bytes` must be valid until the call returns; with `done`, what the
  //           kernel does not take at once is copied. `done` may be empty.
  // Errors:   message_size (too long for one datagram); connection_refused (connected:
  //           an earlier datagram met no receiver, this one was not sent);
  //           permission_denied (a broadcast without set_broadcast()); network_unreachable;
  //           bad_file_descriptor (closed); operation_canceled (closed meanwhile).
  //           UsageError for send() on a socket that is not connected, and for
  //           send_to() on one that is.
  // Cancel:   whether it is sent is not known.
  // Source:   uv_udp_try_send, then uv_udp_send for what the kernel had no room for.
  void send(std::span<const std::byte> bytes);
  void send(std::string_view text);
  void send(std::span<const std::byte> bytes, Callback<void> done);
  void send(std::string_view text, Callback<void> done);
  void send_to(std::span<const std::byte> bytes, const Address& peer);
  void send_to(std::string_view text, const Address& peer);
  void send_to(std::span<const std::byte> bytes, const Address& peer, Callback<void> done);
  void send_to(std::string_view text, const Address& peer, Callback<void> done);

  // Sends all of `datagrams`, in order; returns how many the kernel took. On a connected
  // socket they go to its peer, whomever they name.
  //
  // Suspends: as send(), until each one is taken or refused.
  // Shape:    as send().
  // Errors:   as send(), of the first datagram, when none was taken.
  // Cancel:   how many are sent is not known.
  // Source:   uv_udp_try_send for each; what the kernel has no room for is one request,
  //           whose datagrams libuv sends with sendmmsg, up to 20 in a call. When the kernel
  //           refuses the first of a call, libuv 1.44 fails those behind it, too: they were
  //           not sent, and may be once more.
  std::size_t send_batch(std::span<const Datagram> datagrams);
  void send_batch(std::span<const Datagram> datagrams, Callback<std::size_t> done);

  // What waits for room in the kernel's buffer, as a stream calls it and as Node does. Sends
  // with `done` are copied and wait here without a limit: who makes them from callbacks
  // looks at it, and goes on in the `done` of the last.
  // Units:  bytes
  // Source: uv_udp_get_send_queue_size; Node `socket.getSendQueueSize()`.
  std::size_t write_queue_bytes() const { return send_queue_size(); }
  std::size_t send_queue_size() const;
  // Source: Node `socket.getSendQueueCount()`.
  std::size_t send_queue_count() const;

  // Calls the handler with each datagram; starts receiving. `bytes` is valid during
  // the call.
  // Errors: UsageError while a receive is pending.
  // Source: Node 'message'.
  void on_message(
      UniqueFunction<void(std::span<const std::byte> bytes, const Address& peer)> handler);
  // Called when receiving fails; the socket goes on. Without it a failure closes the socket.
  void on_error(UniqueFunction<void(Error error)> handler);
  // Called once the socket is closed, by whatever; handlers are dropped after it.
  void on_close(UniqueFunction<void()> handler);
  // Stops and restarts on_message's handler; meanwhile the kernel's buffer fills.
  void pause();
  void resume();

  // Starts closing: pending operations end with operation_canceled, then the close
  // handler runs. A second call does nothing.
  void close();
  bool is_closing() const noexcept;
  // Waits until a close has ended.
  // Context: fiber
  void wait_closed();

  // Joins and leaves a multicast group, on the interface with the address `interface`
  // (of IPv6 also "::%eth0"), or on one the kernel picks. With a source only what that
  // one sends arrives.
  // Errors: invalid_argument (no group's address); no_such_device;
  //         address_not_available (to drop what was not joined); address_in_use (joined).
  // Source: Node's names; uv_udp_set_membership, uv_udp_set_source_membership.
  void add_membership(std::string_view group, std::string_view interface = {});
  void drop_membership(std::string_view group, std::string_view interface = {});
  void add_source_specific_membership(std::string_view source, std::string_view group,
                                      std::string_view interface = {});
  void drop_source_specific_membership(std::string_view source, std::string_view group,
                                       std::string_view interface = {});
  // Where multicast is sent from; empty: the kernel picks.
  void set_multicast_interface(std::string_view interface);
  // Whether what it sends to groups also arrives on this machine; at first it does.
  void set_multicast_loopback(bool on);
  // How many routers what it sends to groups may pass, 0 to 255; at first 1.
  // Errors: invalid_argument.
  void set_multicast_ttl(int hops);
  // The same for all else, 1 to 255.
  void set_ttl(int hops);
  // Whether it may send to broadcast addresses; at first it may not.
  void set_broadcast(bool on);

  // The kernel's buffers. Linux makes them twice of what is asked for and answers with
  // that, within net.core.rmem_max and wmem_max.
  // Units: bytes
  void set_recv_buffer_size(std::size_t size);
  void set_send_buffer_size(std::size_t size);
  std::size_t recv_buffer_size() const;
  std::size_t send_buffer_size() const;

  Address local_address() const;
  // Errors: not_connected.
  Address peer_address() const;

  // Whether the socket keeps the loop alive while somebody waits for datagrams; at first
  // it does.
  void ref();
  void unref();
  AsyncId async_id() const;
  // The descriptor, which stays the socket's: for options that weft does not have.
  // Errors: bad_file_descriptor (the socket is closed).
  int fd() const;

 private:
  friend struct weft::detail::StreamAccess;
  using Block = weft::detail::HandlePtr<weft::detail::UdpSocket>;
  explicit UdpSocket(Block block) noexcept;
  weft::detail::UdpSocket& block(const char* what) const;

  Block block_;
};

}  // namespace io
}  // namespace weft
