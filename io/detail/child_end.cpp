#include <cerrno>
#include <new>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weft/io/detail/child_end.h>
#include <weft/io/detail/child_process.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {
namespace {

constexpr auto kPidFd = static_cast<idtype_t>(3);  // P_PIDFD, which older headers do not have

int open_pidfd([[maybe_unused]] int pid) noexcept {
#ifdef SYS_pidfd_open
  return above_standard(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#else
  return -1;
#endif
}

// A descriptor that can be waited for, too: EAGAIN is for PIDFD_NONBLOCK, ECHILD that it was
// taken before we looked.
bool can_wait(int fd) noexcept {
  siginfo_t info = {};
  return ::waitid(kPidFd, static_cast<id_t>(fd), &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
         errno == ECHILD;
}

}  // namespace

ChildEnd* ChildEnd::watch(uv_loop_t* uv, int pid, ChildProcess& child) noexcept {
  const int fd = open_pidfd(pid);
  if (fd < 0) return nullptr;
  auto* const made = can_wait(fd) ? new (std::nothrow) ChildEnd(fd, child) : nullptr;
  if (made == nullptr || uv_poll_init(uv, &made->poll_, fd) < 0) {
    delete made;
    ::close(fd);
    return nullptr;
  }
  made->poll_.data = made;
  uv_unref(reinterpret_cast<uv_handle_t*>(&made->poll_));  // the process's own handle counts
  uv_poll_start(&made->poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<ChildEnd*>(poll->data)->is_readable();
  });
  return made;
}

void ChildEnd::close() noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* closed) {
    auto* const self = static_cast<ChildEnd*>(closed->data);
    ::close(self->fd_);
    delete self;
  });
}

// Whoever reaps it tells: we do here, unless libuv was first and has closed this.
void ChildEnd::is_readable() noexcept {
  siginfo_t info = {};
  if (::waitid(kPidFd, static_cast<id_t>(fd_), &info, WEXITED | WNOHANG) < 0) {
    if (errno == ECHILD) child_.lost();
    return;
  }
  if (info.si_pid == 0) return;
  const bool has_exited = info.si_code == CLD_EXITED;
  child_.ended({has_exited ? info.si_status : 0, has_exited ? 0 : info.si_status});
}

}  // namespace weft::detail
