// Options of pipes and their listeners.
#pragma once

namespace weft::io {

struct PipeOptions {
  // Handles can be passed, see pass_handle.h. Only for a peer that is trusted: what it
  // sends takes descriptors.
  bool ipc = false;
};

struct PipeListenOptions {
  // How many connections the kernel completes ahead of accept(); it caps this at
  // its own limit (net.core.somaxconn).
  int backlog = 511;
  // Lets all users read and write the socket's file; who connects needs to write. Else
  // the umask decides.
  bool readable_by_all = false;
  bool writable_by_all = false;
  // Of each connection.
  PipeOptions connection = {};
};

}  // namespace weft::io
