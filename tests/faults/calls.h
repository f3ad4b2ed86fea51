// The calls that can fail, and how: what faults are injected.
//
// A row is a call as the tests name it. System calls fail with errno's values, libuv's
// functions with its codes, getaddrinfo with its own. Not here, because libuv 1.44 ends
// the process or looks at nothing when they fail:
//
// - epoll_ctl while it polls (abort), epoll_wait with anything but EINTR (abort);
// - reads of its own eventfd and signal pipes that fail with anything but EINTR
//   (abort), writes to the eventfd with anything but EINTR (abort; EAGAIN from
//   an eventfd says that it is readable anyway, so an invented one loses the wake-up);
// - eventfd and pipe2 of a loop that begins (uv_loop_init leaks its epoll descriptor);
// - pthread_create of its pool (abort);
// - reads of inotify with anything but EINTR and EAGAIN (abort);
// - getsockopt(SO_ERROR) after a connect (an uninitialised error is used);
// - reads of the pipe that tells of a child's exec with anything but EINTR (abort);
// - waitpid with anything but EINTR and ECHILD (abort; with ECHILD nobody is ever told of
//   the child's end).
//
// Nor are uv_*_init of prepare, check, idle, timer and tcp, uv_poll_start and the starts
// of watchers: they do nothing that can fail, and weft takes a failure for a bug (uv_must).
// uv_spawn makes the handle even when it fails: what it calls fails instead. mkostemp is
// found by libuv past this program's definitions. Nothing fails in a child.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <netdb.h>
#include <string_view>

#include <uv.h>

namespace weft::test {

// Instead of an error: only one byte is moved.
inline constexpr int kShort = 1 << 20;

struct Call {
  std::string_view name;
  std::array<int, 8> errors;  // 0: none
};

inline constexpr Call kCalls[] = {
    {"accept4", {EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {"bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM}},
    // The descriptor is closed all the same.
    {"close", {EINTR, EIO}},
    {"connect",
     {EINTR, ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENETUNREACH, EAGAIN, ENOBUFS, EACCES}},
    {"copy_file_range", {EIO, ENOSPC, ENOMEM}},
    {"dup3", {EBUSY}},
    // Of uv_poll_init, which tries a descriptor, and of add_to_poll_set.
    {"epoll_ctl, a try", {EPERM, ENOMEM, ENOSPC}},
    {"epoll_create1", {EMFILE, ENFILE, ENOMEM}},
    {"epoll_wait", {EINTR}},
    {"eventfd", {EMFILE, ENFILE, ENOMEM}},
    {"fcntl, a duplicate", {EMFILE}},
    {"fork", {EAGAIN, ENOMEM}},
    {"fsync", {EIO, ENOSPC}},
    {"ftruncate", {EIO, EFBIG}},
    {"getaddrinfo", {EAI_AGAIN, EAI_MEMORY, EAI_NONAME, EAI_FAIL}},
    {"getpeername", {ENOTCONN, ENOBUFS}},
    {"getsockname", {ENOBUFS}},
    {"inotify_add_watch", {EACCES, ENOMEM, ENOSPC}},
    {"inotify_init1", {EMFILE, ENFILE, ENOMEM}},
    {"ioctl", {ENOTTY, ENOMEM}},
    {"isatty", {ENOTTY}},
    {"kill", {EPERM}},
    {"listen", {EADDRINUSE, EACCES}},
    {"madvise", {ENOMEM, EAGAIN, EINVAL}},
    {"mkdir", {EACCES, ENOSPC, EROFS}},
    {"mkdtemp", {EACCES, ENOSPC}},
    {"mmap", {ENOMEM}},
    {"mprotect", {ENOMEM}},
    {"open", {EACCES, EMFILE, ENFILE, ENOMEM, ENOSPC}},
    {"opendir", {EACCES, EMFILE, ENFILE, ENOMEM}},
    // Any form of it; see fail_at.h.
    {"operator new", {ENOMEM}},
    {"pipe2", {EMFILE, ENFILE}},
    {"pread", {EINTR, EIO, ENOMEM, kShort}},
    {"process_madvise", {EPERM, EINTR, ENOMEM, EINVAL}},
    {"read", {EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, EIO, ENOMEM, kShort}},
    {"read, libuv's own", {EINTR}},
    {"readdir", {EIO}},
    {"readlink", {EACCES, EIO}},
    {"realpath", {EACCES, EIO, ENOMEM}},
    {"rename", {EACCES, ENOSPC, EXDEV}},
    {"rmdir", {EACCES, EBUSY}},
    {"scandir", {EACCES, EMFILE, ENOMEM}},
    {"setsockopt", {ENOMEM, ENOPROTOOPT}},
    {"shutdown", {ENOTCONN}},
    {"socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT}},
    {"socketpair", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {"statx", {EACCES, EIO, ENOMEM}},
    {"symlink", {EACCES, ENOSPC}},
    {"tcgetattr", {EIO}},
    {"tcsetattr", {EINTR, EIO}},
    {"unlink", {EACCES, EIO}},
    {"unlinkat", {EACCES, EIO}},
    {"waitpid", {EINTR}},
    {"write", {EINTR, EAGAIN, EPIPE, ECONNRESET, EIO, ENOBUFS, ENOMEM, kShort}},
    {"write, libuv's own", {EINTR}},
    {"writev", {EINTR, EAGAIN, EPIPE, ECONNRESET, EIO, ENOBUFS, ENOMEM, kShort}},
    // Called by weft; what libuv calls itself is not counted.
    {"uv_async_init", {UV_EMFILE, UV_ENOMEM}},
    {"uv_fs_event_start", {UV_ENOMEM}},
    {"uv_getaddrinfo", {UV_ENOMEM}},
    {"uv_loop_init", {UV_EMFILE, UV_ENOMEM}},
    {"uv_pipe_open", {UV_EMFILE, UV_ENOMEM}},
    {"uv_poll_init", {UV_EEXIST, UV_EPERM, UV_ENOMEM}},
    {"uv_process_kill", {UV_EPERM}},
    {"uv_read_start", {UV_ENOTCONN, UV_ENOMEM}},
    {"uv_shutdown", {UV_ENOTCONN, UV_ENOMEM}},
    {"uv_signal_init", {UV_EMFILE, UV_ENOMEM}},
    {"uv_signal_start", {UV_EINVAL, UV_ENOMEM}},
    {"uv_tcp_connect", {UV_EINVAL, UV_ENOMEM, UV_EMFILE}},
    {"uv_tcp_getpeername", {UV_ENOTCONN}},
    {"uv_tcp_getsockname", {UV_EBADF}},
    {"uv_tcp_keepalive", {UV_ENOTSUP}},
    {"uv_tcp_nodelay", {UV_ENOTSUP}},
    {"uv_tcp_open", {UV_ENOMEM, UV_EEXIST}},
    {"uv_tty_get_winsize", {UV_EIO}},
    {"uv_try_write", {UV_EAGAIN, UV_EPIPE, UV_ENOMEM}},
    {"uv_write2", {UV_ENOMEM, UV_EPIPE}},
};
inline constexpr std::size_t kCallCount = std::size(kCalls);

// The row of a call, by its name; does not compile where there is none.
consteval std::size_t row(std::string_view name) {
  for (std::size_t i = 0; i < kCallCount; ++i) {
    if (kCalls[i].name == name) return i;
  }
  throw "no such call";
}

}  // namespace weft::test
