// Pipes: streams between processes of one machine, over Unix sockets and pipe(2).
//
//   auto listener = io::PipeListener::bind("/run/app.sock");
//   for (;;) spawn([peer = listener.accept()]() mutable { echo(peer); });
//
//   auto peer = io::PipeStream::connect("/run/app.sock");
//
// What a pipe does as every stream is in stream.h, accepting in listener.h. Node calls
// these net.Socket and net.Server with a path.
//
// A path whose first character is null, "\0app"sv, is an abstract name of Linux: it has
// no file, and is free again when its listener is closed. Others have at most 107 bytes.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <weft/io/listener.h>
#include <weft/io/pipe_options.h>
#include <weft/io/stream.h>
#include <weft/runtime/await.h>
#include <weft/runtime/source_location.h>

namespace weft::io {

// A connected Unix socket, or one end of a pipe(2).
class PipeStream : public Stream {
 public:
  // Connects to the socket at `path`.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, always; the other never.
  // Errors:   no_such_file_or_directory; connection_refused: nobody listens there;
  //           permission_denied; resource_unavailable_try_again: the listener's backlog
  //           is full; filename_too_long. UsageError when the path is empty, or has a
  //           null character behind its first.
  // Cancel:   does not cut it short: it is over on the next tick.
  // Source:   connect(2); Node `net.connect(path)`.
  static PipeStream connect(std::string_view path, PipeOptions options = {},
                            const SourceLocation& at = SourceLocation::current());
  static void connect(std::string_view path, Callback<PipeStream> done,
                      const SourceLocation& at = SourceLocation::current());
  static void connect(std::string_view path, PipeOptions options, Callback<PipeStream> done,
                      const SourceLocation& at = SourceLocation::current());

  // Two streams connected to each other; one may be for a child process.
  //
  // Context: loop thread
  // Errors:  too_many_files_open
  // Source:  socketpair(2).
  static std::pair<PipeStream, PipeStream> pair(
      PipeOptions options = {}, const SourceLocation& at = SourceLocation::current());

  // Takes over a descriptor: of a connected Unix socket, of an end of a pipe(2) or of a
  // FIFO. It does not block from now on, also for others that share it.
  //
  // An end of a pipe(2) only reads or only writes; shutdown() closes it, because
  // that is how its reader sees the end.
  //
  // Context: loop thread
  // Errors:  bad_file_descriptor, invalid_argument; the descriptor stays the caller's then.
  // Source:  uv_pipe_open.
  static PipeStream open(int fd, PipeOptions options = {},
                         const SourceLocation& at = SourceLocation::current());

 private:
  friend struct weft::detail::StreamAccess;
  using Stream::Stream;
};

extern template class ListenerOf<PipeStream>;

// A listening Unix socket.
class PipeListener : public ListenerOf<PipeStream> {
 public:
  // Binds to `path`, and listens. The file is removed when the listener is closed.
  //
  // Context: loop thread
  // Errors:  address_in_use: somebody listens there, or has died and left the file, which
  //          is then to be removed; permission_denied, no_such_file_or_directory,
  //          filename_too_long; the text names the path. UsageError as connect().
  // Source:  Node `server.listen(path)`, with its readableAll and writableAll. libuv removes
  //          whatever has the name by then; here only the file that bind() made.
  static PipeListener bind(std::string_view path, PipeListenOptions options = {},
                           const SourceLocation& at = SourceLocation::current());

  // Where it listens: "/run/app.sock", "@app" for an abstract name.
  std::string path() const;

 private:
  friend struct weft::detail::StreamAccess;
  using ListenerOf::ListenerOf;
};

}  // namespace weft::io
