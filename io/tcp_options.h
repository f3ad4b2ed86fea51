// Options of TCP connections and listeners.
#pragma once

#include <chrono>
#include <optional>

#include <weft/io/address.h>

namespace weft::io {

struct ConnectOptions {
  // How long an address may take until the next one is tried beside it; at least 10 ms.
  std::chrono::milliseconds attempt_delay = std::chrono::milliseconds(250);
  // Where the connection comes from; port 0 for any. Addresses of the other family fail.
  std::optional<Address> local_address = {};
  // How long the whole may take, the lookup of a name and all addresses together, until it
  // fails with timed_out; 0: as long as it takes.
  std::chrono::milliseconds timeout = std::chrono::milliseconds(0);
};

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
