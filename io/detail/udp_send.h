// Sending datagrams: the kernel first, a request for what it had no room for.
//
// A request has the datagrams of one call, copied, so that a cancelled fiber may
// leave while libuv still has them. libuv sends queued ones with sendmmsg.
#pragma once

#include <cstddef>
#include <optional>

#include <weft/io/detail/udp_socket.h>

namespace weft::detail {

// Leaves, as those of UdpSocket. `started` is set when one does not finish at once: until
// it has called back, cancel_send() may end the wait for it, with operation_canceled.

class UdpSend;

// One datagram, of which UdpSocket::send_now() said `code`.
struct Attempt {
  const char* what;  // "send", "send_to"
  io::Datagram datagram;
  int code;
};
std::optional<Result<void>> send_more(UdpSocket& socket, const Attempt& attempt, Done<void> done,
                                      UdpSend** started = nullptr);
// How many were sent. To the peer the socket is connected to, if it is.
std::optional<Result<std::size_t>> send_batch(UdpSocket& socket, Datagrams datagrams,
                                              Done<std::size_t> done, UdpSend** started = nullptr);

void cancel_send(UdpSend& send);

}  // namespace weft::detail
