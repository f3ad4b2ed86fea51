#include <fcntl.h>
#include <sys/socket.h>

#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/pipe_listener.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/detail/udp_socket.h>
#include <weft/io/pass_handle.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Descriptor;
using weft::detail::Done;
using weft::detail::PipeServer;
using weft::detail::PipeSocket;
using weft::detail::StreamAccess;
using weft::detail::StreamPtr;
using weft::detail::TcpServer;
using weft::detail::TcpSocket;

namespace {

PipeSocket& passing_pipe(const PipeStream& pipe, const char* what) {
  auto* const socket = dynamic_cast<PipeSocket*>(&StreamAccess::block(pipe, what));
  if (socket == nullptr || !socket->passes_handles()) {
    throw UsageError(std::string(what) + ": the pipe passes no handles; make it with ipc");
  }
  return *socket;
}

void check_not_empty(std::span<const std::byte> bytes) {
  if (bytes.empty()) throw UsageError("pass_handle: there are no bytes to send it with");
}

bool listens(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on != 0;
}

// A listener of its own for the descriptor, which `block` will close.
template <typename Owner, typename Server, typename... Args>
Owner listener_of(weft::detail::Stream& block, const Args&... args) {
  Descriptor fd(
      weft::detail::must_succeed(::fcntl(block.descriptor(), F_DUPFD_CLOEXEC, 3), "take_handle"));
  weft::detail::HandlePtr<Server> server(new Server(block.loop(), std::move(fd), args...));
  server->adopt();
  return StreamAccess::make<Owner>(std::move(server));
}

}  // namespace

void pass_handle(PipeStream& over, PassedHandle handle, std::span<const std::byte> bytes) {
  auto& pipe = passing_pipe(over, "pass_handle");
  check_not_empty(bytes);
  await_leaf<void>(
      "pass_handle", [&](Done<void> done) { return pipe.send(handle.fd(), bytes, false, done); },
      [&] { pipe.close(); });
}

void pass_handle(PipeStream& over, PassedHandle handle, std::span<const std::byte> bytes,
                 Callback<void> done) {
  auto& pipe = passing_pipe(over, "pass_handle");
  check_not_empty(bytes);
  weft::detail::start_leaf(pipe, std::move(done), [&](auto callback) {
    return pipe.send(handle.fd(), bytes, true, callback);
  });
}

std::optional<ReceivedHandle> take_handle(PipeStream& from) {
  auto& pipe = passing_pipe(from, "take_handle");
  if (!pipe.has_received()) return std::nullopt;
  if (pipe.received_type() == UV_UDP) {
    return StreamAccess::make<UdpSocket>(weft::detail::UdpSocket::receive_from(pipe));
  }
  StreamPtr received = pipe.take_received();
  const bool is_tcp = dynamic_cast<TcpSocket*>(received.get()) != nullptr;
  if (!listens(received->descriptor())) {
    if (is_tcp) return StreamAccess::make<TcpStream>(std::move(received));
    return StreamAccess::make<PipeStream>(std::move(received));
  }
  if (is_tcp) return listener_of<TcpListener, TcpServer>(*received);
  return listener_of<PipeListener, PipeServer>(*received, PipeOptions{});
}

}  // namespace weft::io
