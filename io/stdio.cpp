#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

#include <weft/io/detail/exit_restore.h>
#include <weft/io/detail/file_stream.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/detail/terminal.h>
#include <weft/io/stdio.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {

using weft::detail::Descriptor;
using weft::detail::EventLoop;
using weft::detail::FileStream;
using weft::detail::StreamAccess;
using weft::detail::StreamPtr;
using weft::detail::TcpSocket;
using weft::detail::TcpSocketPtr;
using weft::detail::uv_check;

namespace {

Descriptor duplicate(int fd, const std::string& doing) {
  return Descriptor(weft::detail::must_succeed(::fcntl(fd, F_DUPFD_CLOEXEC, 3), doing));
}

// A pipe opened anew has an open file of its own, which does not block while the others' do.
Descriptor reopen_pipe(int fd, const std::string& doing) {
  const int flags = weft::detail::must_succeed(::fcntl(fd, F_GETFL), doing);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  weft::detail::open_standard_descriptors();
  Descriptor own(::open(path.c_str(), (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC));
  if (own.get() >= 0) return own;
  weft::detail::restore_blocking_at_exit(fd);
  return duplicate(fd, doing);
}

StreamPtr open_pipe(EventLoop& loop, int fd, const std::string& name) {
  Descriptor own = reopen_pipe(fd, "open " + name);
  return weft::detail::open_pipe(loop, own, name, {});
}

StreamPtr open_tcp(EventLoop& loop, int fd, const std::string& name) {
  Descriptor own = duplicate(fd, "open " + name);
  weft::detail::restore_blocking_at_exit(fd);
  TcpSocketPtr socket(new TcpSocket(loop));
  int code = weft::detail::add_to_poll_set(loop.uv(), own.get());
  if (code == 0) code = uv_tcp_open(socket->tcp(), own.get());
  if (code < 0) uv_check(code, "open " + name);
  static_cast<void>(own.release());
  socket->remember_peer();
  return socket;
}

StreamPtr open_standard(int fd, const std::string& name) {
  EventLoop& loop = EventLoop::current(name.c_str());
  const std::string doing = "open " + name;
  weft::detail::must_succeed(::fcntl(fd, F_GETFD), doing);
  switch (uv_guess_handle(fd)) {
    case UV_TTY:
      return weft::detail::open_terminal(loop, fd, name);
    case UV_FILE:
      return StreamPtr(new FileStream(loop, duplicate(fd, doing), name));
    case UV_NAMED_PIPE:
      return open_pipe(loop, fd, name);
    case UV_TCP:
      return open_tcp(loop, fd, name);
    default:
      weft::detail::uv_error(UV_ENOTSUP, doing).raise();
  }
}

}  // namespace

Stream standard_input() {
  return StreamAccess::make<Stream>(open_standard(STDIN_FILENO, "standard input"));
}
Stream standard_output() {
  return StreamAccess::make<Stream>(open_standard(STDOUT_FILENO, "standard output"));
}
Stream standard_error() {
  return StreamAccess::make<Stream>(open_standard(STDERR_FILENO, "standard error"));
}

}  // namespace weft::io
