// PipeSocket: the block behind a PipeStream: a Unix socket, or an end of a pipe(2).
#pragma once

#include <string>
#include <string_view>
#include <sys/un.h>
#include <utility>

#include <weft/io/detail/descriptor.h>
#include <weft/io/detail/stream.h>
#include <weft/io/pipe_options.h>

namespace weft::detail {

class PipeSocket final : public Stream {
 public:
  PipeSocket(EventLoop& loop, const io::PipeOptions& options,
             const AsyncResourceOptions& resource = {});

  // Takes the descriptor over unless that fails; `name` is for messages.
  // Errors: invalid_argument when it is neither a stream socket nor a pipe(2)'s or FIFO's.
  Result<void> open(Descriptor& fd, std::string name);

  // Passing handles.

  bool passes_handles() const noexcept { return handle_.ipc != 0; }
  // Leaf. Sends a duplicate of `fd`, which stays the caller's, along with `bytes`.
  std::optional<Result<void>> send(int fd, Bytes bytes, bool copies, Done<void> done);
  bool has_received() noexcept { return uv_pipe_pending_count(&handle_) > 0; }
  // UV_TCP, UV_NAMED_PIPE, UV_UDP; anything else: of no use here.
  uv_handle_type received_type() noexcept { return uv_pipe_pending_type(&handle_); }
  // The next that was received; a TcpSocket or a PipeSocket, which may be a listener's.
  // Errors: std::system_error when it is neither's.
  StreamPtr take_received();

  uv_pipe_t* pipe() noexcept { return &handle_; }

 protected:
  std::string peer_name() override { return name_; }
  int true_end(int code) noexcept override;

 private:
  ~PipeSocket() override = default;

  std::string name_;
  uv_pipe_t handle_;
};

using PipeSocketPtr = HandlePtr<PipeSocket>;

// Where a Unix socket is: a file, or behind a null character a name without one.
class PipePath {
 public:
  // Errors: std::system_error, which names `what` and the path, when it has no place in
  //         an address; UsageError when it is empty or has a null character inside.
  PipePath(const char* what, std::string_view path);
  // The first of these errors, if it is one.
  static std::optional<Error> too_long(const char* what, std::string_view path);

  const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t length() const noexcept { return length_; }
  bool is_abstract() const noexcept { return address_.sun_path[0] == '\0'; }
  // Null-terminated; not of an abstract one.
  const char* file() const noexcept { return address_.sun_path; }
  // "/run/x.sock", "@x" for an abstract one.
  const std::string& name() const noexcept { return name_; }

 private:
  sockaddr_un address_{};
  socklen_t length_;
  std::string name_;
};

// Leaf. Never finishes at once.
// Errors: UsageError, as PipePath.
std::optional<Result<StreamPtr>> connect_pipe(EventLoop& loop, std::string_view path,
                                              const io::PipeOptions& options, Done<StreamPtr> done);

// Errors: std::system_error.
PipeSocketPtr open_pipe(EventLoop& loop, Descriptor& fd, std::string name,
                        const io::PipeOptions& options);
std::pair<PipeSocketPtr, PipeSocketPtr> pipe_pair(EventLoop& loop, const io::PipeOptions& options);

}  // namespace weft::detail
