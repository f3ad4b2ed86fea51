// TcpConnect: one connect, to the first of several addresses that answers.
//
// RFC 8305 ("happy eyeballs"): the addresses stand in the order of the system, but for
// their families, which alternate, beginning with that of the first. An attempt begins
// when the one before has failed or its delay has passed; the first that succeeds ends
// the others. Node gives an attempt up when it begins the next: a peer that answers after
// the delay, as all of them do on a slow line, is then never reached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/io/address.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/tcp_options.h>
#include <weft/runtime/source_location.h>

namespace weft::detail {

struct ConnectTarget {
  std::string host = {};  // an IP address or a name; unused with `addresses`
  std::uint16_t port = 0;
  std::vector<io::Address> addresses = {};
  io::ConnectOptions options = {};
  SourceLocation at = {};  // of the call
};

// Leaf; never finishes at once. What it returns is gone once `done` was called.
class TcpConnect;
TcpConnect& connect_tcp(EventLoop& loop, ConnectTarget target, Callback<TcpSocketPtr> done);
// Ends all attempts; `done` gets operation_canceled.
void cancel(TcpConnect& connect) noexcept;

}  // namespace weft::detail
