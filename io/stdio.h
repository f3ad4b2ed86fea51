// The standard streams, of whatever kind their descriptors are.
//
//   auto out = io::standard_output();
//   out.write("hello\n");
//
// A terminal and a pipe wait as other streams do; a file is read and written where the
// loop runs, since it makes nobody wait; so is a device, as /dev/null. Each call makes
// another stream of the descriptor: keep one, or what two have read or not yet written
// goes in no order.
//
// Descriptors 0, 1 and 2 stay open, also when the stream is closed, as in Node; and
// they block as they did, for the process that started this one has the same open
// files: a terminal and a pipe are opened anew. Where that cannot be (a socket, or a
// pipe of another user) the descriptor does not block until the process ends.
//
// In Node writes to a pipe are synchronous; here they wait like others.
#pragma once

#include <weft/io/stream.h>

namespace weft::io {

// Context: loop thread
// Errors:  bad_file_descriptor: the descriptor is not open; not_supported: it is a socket
//          for datagrams, or one that listens; too_many_files_open.
// Source:  Node `process.stdin`, `process.stdout`, `process.stderr`.
Stream standard_input();
Stream standard_output();
Stream standard_error();

}  // namespace weft::io
