#include <cstddef>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weft/io/detail/pipe_listener.h>
#include <weft/io/detail/pipe_socket.h>

namespace weft::detail {
namespace {

void add_mode(const char* file, mode_t added, const std::string& doing) {
  struct stat found;
  must_succeed(::stat(file, &found), doing);
  must_succeed(::chmod(file, (found.st_mode & 07777) | added), doing);
}

}  // namespace

PipeServerPtr listen_pipe(EventLoop& loop, std::string_view path,
                          const io::PipeListenOptions& options) {
  const PipePath at("listen", path);
  const std::string doing = "listen " + at.name();  // first what may throw
  Descriptor socket(
      must_succeed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), doing));
  PipeServerPtr server(new PipeServer(loop, std::move(socket), options.connection));
  server->open(at, options);
  return server;
}

// Nobody can connect before listen(2), so the mode is right when somebody does.
void PipeServer::open(const PipePath& at, const io::PipeListenOptions& options) {
  name_ = at.name();
  const std::string doing = "listen " + name_;
  must_succeed(::bind(descriptor(), at.raw(), at.length()), doing);
  if (!at.is_abstract()) {
    struct stat found;
    must_succeed(::stat(at.file(), &found), doing);
    file_ = File{found.st_dev, found.st_ino};
    const mode_t added =
        (options.readable_by_all ? 0444U : 0U) | (options.writable_by_all ? 0222U : 0U);
    if (added != 0) add_mode(at.file(), added, doing);
  }
  must_succeed(::listen(descriptor(), options.backlog), doing);
  start();
}

void PipeServer::adopt() {
  sockaddr_un bound{};
  socklen_t length = sizeof bound;
  must_succeed(::getsockname(descriptor(), reinterpret_cast<sockaddr*>(&bound), &length), "listen");
  const std::size_t size = length - offsetof(sockaddr_un, sun_path);
  name_ = bound.sun_path[0] == '\0' && size > 0 ? "@" + std::string(bound.sun_path + 1, size - 1)
                                                : std::string(bound.sun_path);
  start();
}

Result<StreamPtr> PipeServer::wrap(Descriptor accepted) {
  PipeSocketPtr socket(new PipeSocket(loop(), connection_, {.trigger = resource().async_id()}));
  if (const auto opened = socket->open(accepted, name_); !opened) {
    return opened.failure();
  }
  return StreamPtr(std::move(socket));
}

// Only the file that bind(2) made: another server may have put its own there since.
void PipeServer::begin_close() noexcept {
  struct stat found;
  if (file_ && ::lstat(name_.c_str(), &found) == 0 && found.st_dev == file_->device &&
      found.st_ino == file_->inode) {
    ::unlink(name_.c_str());
  }
  Listener::begin_close();
}

}  // namespace weft::detail
