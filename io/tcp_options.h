// Options of TCP listeners.
#pragma once

namespace weft::io {

struct ListenOptions {
  // How many connections the kernel completes ahead of accept(); it caps this at
  // its own limit (net.core.somaxconn).
  int backlog = 511;
  // Lets several listeners, of one or more processes, share the port: SO_REUSEPORT.
  bool reuse_port = false;
  // An IPv6 listener refuses IPv4 peers.
  bool ipv6_only = false;
};

}  // namespace weft::io
