#include <cerrno>
#include <cstddef>
#include <mutex>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <weft/io/detail/pipe_listener.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {
namespace {

// bind(2), with `added` to what the umask leaves. What is at the path later may be
// another's, so the mode is not changed behind it.
// Returns 0 or an error number.
int bind_with_mode(int socket, const PipePath& at, mode_t added) noexcept {
  static std::mutex one_at_a_time;
  const std::scoped_lock lock(one_at_a_time);
  const mode_t before = ::umask(0777);
  ::umask(before & ~added);
  const int code = ::bind(socket, at.raw(), at.length()) == 0 ? 0 : errno;
  ::umask(before);
  return code;
}

// The umask is the process's, and other threads make files: so a thread that has one of
// its own binds. Where a sandbox refuses it that, the process has this umask meanwhile.
int bind_on_own_thread(int socket, const PipePath& at, mode_t added) {
  int code = 0;
  try {
    std::thread([&] {
#ifdef __linux__
      static_cast<void>(::unshare(CLONE_FS));
#endif
      code = bind_with_mode(socket, at, added);
    }).join();
  } catch (const std::system_error&) {
    return EAGAIN;  // no thread is to be had
  }
  return code;
}

void bind_to(int socket, const PipePath& at, mode_t added, const std::string& doing) {
  if (added == 0 || at.is_abstract()) {
    must_succeed(::bind(socket, at.raw(), at.length()), doing);
  } else {
    uv_check(uv_translate_sys_error(bind_on_own_thread(socket, at, added)), doing);
  }
}

}  // namespace

PipeServerPtr listen_pipe(EventLoop& loop, std::string_view path,
                          const io::PipeListenOptions& options) {
  const PipePath at("listen", path);
  const std::string doing = "listen " + at.name();  // first what may throw
  open_standard_descriptors();
  Descriptor socket(
      must_succeed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), doing));
  PipeServerPtr server(new PipeServer(loop, std::move(socket), options.connection));
  server->open(at, options);
  return server;
}

void PipeServer::open(const PipePath& at, const io::PipeListenOptions& options) {
  name_ = at.name();
  const std::string doing = "listen " + name_;
  const mode_t added =
      (options.readable_by_all ? 0444U : 0U) | (options.writable_by_all ? 0222U : 0U);
  bind_to(descriptor(), at, added, doing);
  if (!at.is_abstract()) {
    struct stat found;
    must_succeed(::stat(at.file(), &found), doing);
    file_ = File{found.st_dev, found.st_ino};
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
