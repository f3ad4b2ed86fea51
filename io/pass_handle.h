// Passing handles: connections, listeners and sockets go to another process, over a pipe.
//
//   auto [ours, theirs] = io::PipeStream::pair({.ipc = true});  // theirs: a child's
//   io::pass_handle(ours, listener, bytes_of("listener"));
//
//   peer.read(buffer);                         // the child
//   auto handle = io::take_handle(peer);       // a TcpListener
//
// The pipe's two ends are made with `ipc`. A handle travels with the first of the bytes
// it was sent with: who has read that byte finds the handle. Node: child.send(message, handle).
#pragma once

#include <optional>
#include <span>
#include <variant>

#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/io/udp.h>
#include <weft/runtime/await.h>

namespace weft::io {

// What is sent: any stream, listener or datagram socket that is open.
class PassedHandle {
 public:
  // NOLINTBEGIN(google-explicit-constructor): passed as what they are
  PassedHandle(const Stream& stream) : fd_(stream.fd()) {}
  PassedHandle(const Listener& listener) : fd_(listener.fd()) {}
  PassedHandle(const UdpSocket& socket) : fd_(socket.fd()) {}
  // NOLINTEND(google-explicit-constructor)

  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// What arrives.
using ReceivedHandle = std::variant<TcpStream, PipeStream, TcpListener, PipeListener, UdpSocket>;

// Sends a handle along with `bytes`. It is a copy that is sent: the handle stays the
// sender's, who may close it at once, and both share the connection then.
//
// Context:  fiber; the form with `done`: loop thread
// Suspends: the form without `done`, until the bytes are written; the other never.
// Shape:    as Stream::write(); one byte at least.
// Errors:   as Stream::write(); too_many_files_open. UsageError when the pipe was not made
//           with `ipc`, or there are no bytes.
// Cancel:   as Stream::write().
// Source:   uv_write2, which needs the handle open until it is sent.
void pass_handle(PipeStream& over, PassedHandle handle, std::span<const std::byte> bytes);
void pass_handle(PipeStream& over, PassedHandle handle, std::span<const std::byte> bytes,
                 Callback<void> done);

// The next handle that has arrived; nullopt: none. What is not taken is closed with the pipe.
// A listener that is received does not remove its file when it is closed; a socket that is
// received has no batches, and if it is of IPv6 its options are its sender's to set.
//
// Context: loop thread
// Errors:  not_supported: another kind of handle, which is closed; too_many_files_open.
//          UsageError when the pipe was not made with `ipc`.
// Source:  uv_pipe_pending_count, uv_accept.
std::optional<ReceivedHandle> take_handle(PipeStream& from);

}  // namespace weft::io
