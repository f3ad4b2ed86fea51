// Options of UDP sockets.
#pragma once

#include <cstddef>

namespace weft::io {

struct UdpOptions {
  // Lets others bind to the same address; on Linux the last one to do so gets the
  // datagrams of a single address, each one those of a group: SO_REUSEADDR.
  bool reuse_address = false;
  // Lets several sockets, of one or more processes, share the port; the kernel
  // spreads the datagrams over them: SO_REUSEPORT.
  bool reuse_port = false;
  // An IPv6 socket takes no datagrams of IPv4 peers.
  bool ipv6_only = false;
  // How many datagrams one system call may bring, 1 to 20: above 1 it is recvmmsg,
  // which receive_batch() needs. Costs 64 KiB each.
  std::size_t batch_max = 1;
};

enum class UdpFamily { kIpv4, kIpv6 };

}  // namespace weft::io
