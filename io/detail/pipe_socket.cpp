#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <weft/ctx/error.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// connect(2) of a Unix socket never waits, so a connect is over when the request is made;
// who asked hears of it on the next tick.
struct PipeConnectRequest {
  PipeConnectRequest(PipeSocketPtr of, Result<void> how)
      : socket(std::move(of)),
        resource("PIPECONNECTWRAP", {.trigger = socket->resource().async_id()}),
        outcome(std::move(how)) {}

  void finish() {
    EventLoop& loop = socket->loop();
    if (!outcome) {
      done.complete(loop, resource, outcome.failure());
    } else {
      done.complete(loop, resource, StreamPtr(std::move(socket)));
    }
  }

  PipeSocketPtr socket;
  AsyncResource resource;
  Result<void> outcome;
  Completion<StreamPtr> done;
};

Result<void> connect_now(PipeSocket& socket, const PipePath& path) {
  const std::string doing = "connect " + path.name();
  open_standard_descriptors();
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return uv_error(uv_translate_sys_error(errno), doing);
  while (::connect(fd.get(), path.raw(), path.length()) < 0) {
    if (errno != EINTR) return uv_error(uv_translate_sys_error(errno), doing);
  }
  return socket.open(fd, path.name());
}

int find_stream_error(int fd) noexcept {
  struct stat found;
  if (::fstat(fd, &found) < 0) return uv_translate_sys_error(errno);
  if (S_ISFIFO(found.st_mode)) return 0;
  int type = 0;
  socklen_t size = sizeof type;
  const bool is_stream = S_ISSOCK(found.st_mode) &&
                         ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
                         type == SOCK_STREAM;
  return is_stream ? 0 : UV_EINVAL;
}

}  // namespace

// --- PipePath ---

namespace {

bool is_abstract_name(std::string_view path) {
  return !path.empty() && path.front() == '\0';
}

// Of an abstract name no byte marks the end.
std::size_t path_bytes_max(std::string_view path) {
  return sizeof(sockaddr_un::sun_path) - (is_abstract_name(path) ? 0 : 1);
}

}  // namespace

std::optional<Error> PipePath::too_long(const char* what, std::string_view path) {
  if (path.size() <= path_bytes_max(path)) return std::nullopt;
  const std::string name =
      is_abstract_name(path) ? "@" + std::string(path.substr(1)) : std::string(path);
  return uv_error(UV_ENAMETOOLONG, std::string(what) + " " + name + ": the path of a socket has " +
                                       std::to_string(path_bytes_max(path)) + " bytes at most");
}

PipePath::PipePath(const char* what, std::string_view path) {
  if (path.empty()) throw UsageError(std::string(what) + ": the path is empty");
  const bool is_name = is_abstract_name(path);
  name_ = is_name ? "@" + std::string(path.substr(1)) : std::string(path);
  if (!is_name && path.find('\0') != std::string_view::npos) {
    throw UsageError(std::string(what) + ": the path has a null character in it");
  }
  if (const auto error = too_long(what, path)) error->raise();
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, path.data(), path.size());
  // An abstract name ends where the address does, a file's with a null character.
  length_ =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_name ? 0 : 1));
}

// --- PipeSocket ---

PipeSocket::PipeSocket(EventLoop& loop, const io::PipeOptions& options,
                       const AsyncResourceOptions& resource)
    : Stream(loop, "PIPEWRAP", reinterpret_cast<uv_stream_t*>(&handle_), resource) {
  prepare_for_streams(loop.uv());
  uv_must(uv_pipe_init(loop.uv(), &handle_, options.ipc ? 1 : 0));
  set_data();
}

Result<void> PipeSocket::open(Descriptor& fd, std::string name) {
  name_ = std::move(name);
  // libuv ends the process when it is to watch what cannot be watched, as a file.
  int code = find_stream_error(fd.get());
  if (code == 0) code = add_to_poll_set(loop().uv(), fd.get());
  if (code == 0) code = uv_pipe_open(&handle_, fd.get());
  if (code < 0) return uv_error(code, describe("open"));
  static_cast<void>(fd.release());
  return {};
}

// A read ends behind the bytes that a handle came with. Where the other end is closed,
// libuv takes that short read for the last one.
int PipeSocket::true_end(int code) noexcept {
  uv_os_fd_t fd = -1;
  char byte;
  const bool has_more = code == UV_EOF && passes_handles() && uv_fileno(raw(), &fd) == 0 &&
                        ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  return has_more ? 0 : code;
}

// The duplicate is what libuv sends, late perhaps: what is sent may be closed at once.
std::optional<Result<void>> PipeSocket::send(int fd, Bytes bytes, bool copies, Done<void> done) {
  Descriptor copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0)
    return Result<void>(uv_error(uv_translate_sys_error(errno), describe("pass_handle")));
  PipeSocketPtr carrier(new PipeSocket(loop(), {}, {.trigger = resource().async_id()}));
  if (const int code = uv_pipe_open(&carrier->handle_, copy.get()); code < 0) {
    return Result<void>(uv_error(code, describe("pass_handle")));
  }
  static_cast<void>(copy.release());
  return write_with(std::move(carrier), bytes, copies, done);
}

StreamPtr PipeSocket::take_received() {
  const AsyncResourceOptions triggered{.trigger = resource().async_id()};
  const uv_handle_type type = received_type();
  if (type == UV_TCP) {
    TcpSocketPtr socket(new TcpSocket(loop(), triggered));
    uv_check(accept_into(*socket), describe("take_handle"));
    socket->remember_peer();
    return socket;
  }
  PipeSocketPtr socket(new PipeSocket(loop(), {}, triggered));
  socket->name_ = "received";
  uv_check(accept_into(*socket), describe("take_handle"));
  if (type != UV_NAMED_PIPE) uv_check(UV_ENOTSUP, describe("take_handle"));
  return socket;
}

std::optional<Result<StreamPtr>> connect_pipe(EventLoop& loop, std::string_view path,
                                              const io::PipeOptions& options,
                                              Done<StreamPtr> done) {
  PipeSocketPtr socket(new PipeSocket(loop, options));
  auto error = PipePath::too_long("connect", path);
  Result<void> outcome =
      error ? Result<void>(*std::move(error)) : connect_now(*socket, PipePath("connect", path));
  const AsyncId trigger = socket->resource().async_id();
  auto request = std::make_unique<PipeConnectRequest>(std::move(socket), std::move(outcome));
  auto* const started = request.get();
  auto tick = std::make_unique<Tick>([request = std::move(request)] { request->finish(); },
                                     AsyncResourceOptions{.trigger = trigger});
  started->done.take(done, ResourceAccess::frame(started->resource));
  loop.add_tick(std::move(tick));
  return std::nullopt;
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): the tick owns the request
}

PipeSocketPtr open_pipe(EventLoop& loop, Descriptor& fd, std::string name,
                        const io::PipeOptions& options) {
  PipeSocketPtr socket(new PipeSocket(loop, options));
  socket->open(fd, std::move(name)).value();
  return socket;
}

std::pair<PipeSocketPtr, PipeSocketPtr> pipe_pair(EventLoop& loop, const io::PipeOptions& options) {
  int fds[2];
  open_standard_descriptors();
  must_succeed(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), "pair");
  Descriptor first(fds[0]);
  Descriptor second(fds[1]);
  PipeSocketPtr socket = open_pipe(loop, first, "pair", options);
  return {std::move(socket), open_pipe(loop, second, "pair", options)};
}

}  // namespace weft::detail
