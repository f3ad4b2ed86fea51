// The system calls, as this program defines them: each may fail, else it is the hidden
// definition. In C++ they have names of their own, and the calls' only for the linker, so
// that they need not match what the system's headers declare.
#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <weft/tests/faults/hidden.h>

namespace weft::test {
namespace {

int fail(int error) noexcept {
  errno = error;
  return -1;
}

int note_new(int fd) noexcept {
  note_made(fd);
  return fd;
}

}  // namespace
}  // namespace weft::test

using namespace weft::test;

// A call that returns -1 and errno when it fails, and does nothing then.
// Types and lists of parameters stand without parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define WEFT_PLAIN_CALL(result, name, parameters, arguments)                    \
  extern "C" result fault_##name parameters asm(#name);                         \
  result fault_##name parameters {                                              \
    if (const int error = injected(row(#name)); error != 0) return fail(error); \
    return hidden<#name, result parameters>() arguments;                        \
  }

// NOLINTEND(bugprone-macro-parentheses)

WEFT_PLAIN_CALL(int, accept4, (int fd, sockaddr* from, socklen_t* length, int flags),
                (fd, from, length, flags))
WEFT_PLAIN_CALL(int, bind, (int fd, const sockaddr* to, socklen_t length), (fd, to, length))
WEFT_PLAIN_CALL(int, connect, (int fd, const sockaddr* to, socklen_t length), (fd, to, length))
WEFT_PLAIN_CALL(int, getpeername, (int fd, sockaddr* name, socklen_t* length), (fd, name, length))
WEFT_PLAIN_CALL(int, getsockname, (int fd, sockaddr* name, socklen_t* length), (fd, name, length))
WEFT_PLAIN_CALL(int, dup3, (int from, int to, int flags), (from, to, flags))
WEFT_PLAIN_CALL(int, fsync, (int fd), (fd))
WEFT_PLAIN_CALL(int, inotify_add_watch, (int fd, const char* path, std::uint32_t events),
                (fd, path, events))
WEFT_PLAIN_CALL(int, kill, (pid_t process, int signal), (process, signal))
WEFT_PLAIN_CALL(int, listen, (int fd, int backlog), (fd, backlog))
WEFT_PLAIN_CALL(int, madvise, (void* at, std::size_t bytes, int advice), (at, bytes, advice))
WEFT_PLAIN_CALL(int, mkdir, (const char* path, mode_t mode), (path, mode))
WEFT_PLAIN_CALL(int, mprotect, (void* at, std::size_t bytes, int rights), (at, bytes, rights))
WEFT_PLAIN_CALL(ssize_t, readlink, (const char* path, char* into, std::size_t bytes),
                (path, into, bytes))
WEFT_PLAIN_CALL(int, rename, (const char* from, const char* to), (from, to))
WEFT_PLAIN_CALL(int, rmdir, (const char* path), (path))
WEFT_PLAIN_CALL(int, setsockopt,
                (int fd, int level, int option, const void* value, socklen_t length),
                (fd, level, option, value, length))
WEFT_PLAIN_CALL(int, shutdown, (int fd, int how), (fd, how))
WEFT_PLAIN_CALL(int, socket, (int family, int type, int protocol), (family, type, protocol))
WEFT_PLAIN_CALL(int, socketpair, (int family, int type, int protocol, int* ends),
                (family, type, protocol, ends))

WEFT_PLAIN_CALL(int, symlink, (const char* target, const char* path), (target, path))
WEFT_PLAIN_CALL(int, tcgetattr, (int fd, termios* into), (fd, into))
WEFT_PLAIN_CALL(int, tcsetattr, (int fd, int when, const termios* settings), (fd, when, settings))
WEFT_PLAIN_CALL(int, unlink, (const char* path), (path))
WEFT_PLAIN_CALL(int, unlinkat, (int directory, const char* path, int flags),
                (directory, path, flags))

// --- with a result of another kind ---

#define WEFT_POINTER_CALL(result, name, parameters, arguments) \
  extern "C" result fault_##name parameters asm(#name);        \
  result fault_##name parameters {                             \
    if (const int error = injected(row(#name)); error != 0) {  \
      errno = error;                                           \
      return nullptr;                                          \
    }                                                          \
    return hidden<#name, result parameters>() arguments;       \
  }

WEFT_POINTER_CALL(char*, mkdtemp, (char* pattern), (pattern))
WEFT_POINTER_CALL(DIR*, opendir, (const char* path), (path))
WEFT_POINTER_CALL(char*, realpath, (const char* path, char* into), (path, into))

extern "C" int fault_isatty(int) asm("isatty");
int fault_isatty(int fd) {
  if (const int error = injected(row("isatty")); error != 0) {
    errno = error;
    return 0;
  }
  return hidden<"isatty", int(int)>()(fd);
}

// --- under the names that 64-bit offsets give them ---

extern "C" int fault_ftruncate64(int, off_t) asm("ftruncate64");
int fault_ftruncate64(int fd, off_t size) {
  if (const int error = injected(row("ftruncate")); error != 0) return fail(error);
  return hidden<"ftruncate64", int(int, off_t)>()(fd, size);
}

extern "C" dirent* fault_readdir64(DIR*) asm("readdir64");
dirent* fault_readdir64(DIR* directory) {
  if (const int error = injected(row("readdir")); error != 0) {
    errno = error;
    return nullptr;
  }
  return hidden<"readdir64", dirent*(DIR*)>()(directory);
}

using IsWanted = int(const dirent*);
using Compare = int(const dirent**, const dirent**);
extern "C" int fault_scandir64(const char*, dirent***, IsWanted*, Compare*) asm("scandir64");
int fault_scandir64(const char* path, dirent*** found, IsWanted* is_wanted, Compare* compare) {
  if (const int error = injected(row("scandir")); error != 0) return fail(error);
  using Function = int(const char*, dirent***, IsWanted*, Compare*);
  return hidden<"scandir64", Function>()(path, found, is_wanted, compare);
}

extern "C" void* fault_mmap64(void*, std::size_t, int, int, int, off_t) asm("mmap64");
void* fault_mmap64(void* at, std::size_t bytes, int rights, int flags, int fd, off_t offset) {
  if (const int error = injected(row("mmap")); error != 0) {
    errno = error;
    return MAP_FAILED;
  }
  using Function = void*(void*, std::size_t, int, int, int, off_t);
  return hidden<"mmap64", Function>()(at, bytes, rights, flags, fd, offset);
}

struct addrinfo;
extern "C" int fault_getaddrinfo(const char*, const char*, const addrinfo*,
                                 addrinfo**) asm("getaddrinfo");
int fault_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                      addrinfo** found) {
  if (const int error = injected(row("getaddrinfo")); error != 0) return error;
  using Function = int(const char*, const char*, const addrinfo*, addrinfo**);
  return hidden<"getaddrinfo", Function>()(host, service, hints, found);
}

// --- that make or end descriptors ---

extern "C" int fault_epoll_create1(int) asm("epoll_create1");
int fault_epoll_create1(int flags) {
  if (const int error = injected(row("epoll_create1")); error != 0) return fail(error);
  return note_new(hidden<"epoll_create1", int(int)>()(flags));
}

extern "C" int fault_eventfd(unsigned, int) asm("eventfd");
int fault_eventfd(unsigned count, int flags) {
  const int error = must_succeed() ? 0 : injected(row("eventfd"));
  if (error != 0) return fail(error);
  return note_new(hidden<"eventfd", int(unsigned, int)>()(count, flags));
}

extern "C" int fault_inotify_init1(int) asm("inotify_init1");
int fault_inotify_init1(int flags) {
  if (const int error = injected(row("inotify_init1")); error != 0) return fail(error);
  return note_new(hidden<"inotify_init1", int(int)>()(flags));
}

extern "C" int fault_open64(const char*, int, ...) asm("open64");
int fault_open64(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  if (const int error = injected(row("open")); error != 0) return fail(error);
  return note_new(hidden<"open64", int(const char*, int, ...)>()(path, flags, mode));
}

extern "C" int fault_pipe2(int*, int) asm("pipe2");
int fault_pipe2(int* ends, int flags) {
  const int error = must_succeed() ? 0 : injected(row("pipe2"));
  if (error != 0) return fail(error);
  const int result = hidden<"pipe2", int(int*, int)>()(ends, flags);
  if (result == 0) {
    note_made(ends[0]);
    note_made(ends[1]);
  }
  return result;
}

extern "C" int fault_close(int) asm("close");
int fault_close(int fd) {
  note_closed(fd);
  const int error = injected(row("close"));
  const int result = hidden<"close", int(int)>()(fd);
  return error != 0 ? fail(error) : result;
}

// --- of processes ---

extern "C" pid_t fault_fork() asm("fork");
pid_t fault_fork() {
  if (const int error = injected(row("fork")); error != 0) return fail(error);
  const UvSetup setup(UvSetup::Calls::kSucceed);  // a child gets a signal pipe of its own
  const pid_t child = hidden<"fork", pid_t()>()();
  if (child == 0) forget_faults();
  return child;
}

extern "C" pid_t fault_waitpid(pid_t, int*, int) asm("waitpid");
pid_t fault_waitpid(pid_t process, int* status, int options) {
  // What does not block is never interrupted.
  const int error = (options & WNOHANG) == 0 ? injected(row("waitpid")) : 0;
  if (error != 0) return fail(error);
  return hidden<"waitpid", pid_t(pid_t, int*, int)>()(process, status, options);
}

// --- that move bytes ---

namespace {

// Then libuv takes a short read for the last one.
bool has_hung_up(int fd) noexcept {
  pollfd seen = {.fd = fd, .events = 0, .revents = 0};
  return ::poll(&seen, 1, 0) == 1 && (seen.revents & POLLHUP) != 0;
}

}  // namespace

extern "C" ssize_t fault_read(int, void*, std::size_t) asm("read");
ssize_t fault_read(int fd, void* into, std::size_t bytes) {
  const int error = injected(is_uv_own(fd) ? row("read, libuv's own") : row("read"));
  if (error != 0 && error != kShort) return fail(error);
  if (error == kShort && !has_hung_up(fd)) bytes = std::min(bytes, std::size_t{1});
  return hidden<"read", ssize_t(int, void*, std::size_t)>()(fd, into, bytes);
}

extern "C" ssize_t fault_pread64(int, void*, std::size_t, off_t) asm("pread64");
ssize_t fault_pread64(int fd, void* into, std::size_t bytes, off_t offset) {
  const int error = injected(row("pread"));
  if (error != 0 && error != kShort) return fail(error);
  if (error == kShort) bytes = std::min(bytes, std::size_t{1});
  using Function = ssize_t(int, void*, std::size_t, off_t);
  return hidden<"pread64", Function>()(fd, into, bytes, offset);
}

extern "C" ssize_t fault_write(int, const void*, std::size_t) asm("write");
ssize_t fault_write(int fd, const void* from, std::size_t bytes) {
  const int error = injected(is_uv_own(fd) ? row("write, libuv's own") : row("write"));
  if (error != 0 && error != kShort) return fail(error);
  if (error == kShort) bytes = std::min(bytes, std::size_t{1});
  return hidden<"write", ssize_t(int, const void*, std::size_t)>()(fd, from, bytes);
}

extern "C" ssize_t fault_writev(int, const iovec*, int) asm("writev");
ssize_t fault_writev(int fd, const iovec* pieces, int count) {
  const int error = injected(row("writev"));
  if (error != 0 && error != kShort) return fail(error);
  iovec one = count > 0 ? pieces[0] : iovec{};
  one.iov_len = std::min(one.iov_len, std::size_t{1});
  if (error == kShort) return hidden<"writev", ssize_t(int, const iovec*, int)>()(fd, &one, 1);
  return hidden<"writev", ssize_t(int, const iovec*, int)>()(fd, pieces, count);
}

// --- of the poll ---

extern "C" int fault_epoll_ctl(int, int, int, epoll_event*) asm("epoll_ctl");
int fault_epoll_ctl(int poll, int what, int fd, epoll_event* event) {
  // What adds a descriptor before libuv polls it adds it as -1.
  const bool is_try = what == EPOLL_CTL_ADD && event->data.fd == -1;
  const int error = is_try ? injected(row("epoll_ctl, a try")) : 0;
  if (error != 0) return fail(error);
  return hidden<"epoll_ctl", int(int, int, int, epoll_event*)>()(poll, what, fd, event);
}

extern "C" int fault_epoll_wait(int, epoll_event*, int, int) asm("epoll_wait");
int fault_epoll_wait(int poll, epoll_event* events, int events_max, int timeout_ms) {
  if (const int error = injected(row("epoll_wait")); error != 0) return fail(error);
  const int bounded_ms = begin_poll(timeout_ms);
  const int result = hidden<"epoll_wait", int(int, epoll_event*, int, int)>()(
      poll, events, events_max, bounded_ms);
  end_poll(timeout_ms, result);
  return result;
}

// --- with any number of arguments ---

extern "C" int fault_ioctl(int, unsigned long, ...) asm("ioctl");
int fault_ioctl(int fd, unsigned long request, ...) {
  std::va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (const int error = injected(row("ioctl")); error != 0) return fail(error);
  return hidden<"ioctl", int(int, unsigned long, ...)>()(fd, request, argument);
}

extern "C" int fault_fcntl64(int, int, ...) asm("fcntl64");
int fault_fcntl64(int fd, int what, ...) {
  std::va_list arguments;
  va_start(arguments, what);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (what != F_DUPFD_CLOEXEC) return hidden<"fcntl64", int(int, int, ...)>()(fd, what, argument);
  if (const int error = injected(row("fcntl, a duplicate")); error != 0) return fail(error);
  return note_new(hidden<"fcntl64", int(int, int, ...)>()(fd, what, argument));
}

namespace {

// Of what libuv and weft call by number.
int injected_by_number(long number) noexcept {
  switch (number) {
    case SYS_copy_file_range:
      return injected(row("copy_file_range"));
    case SYS_process_madvise:
      return injected(row("process_madvise"));
    case SYS_statx:
      return injected(row("statx"));
    default:
      return 0;
  }
}

}  // namespace

extern "C" long fault_syscall(long, ...) asm("syscall");
long fault_syscall(long number, ...) {
  long values[6];
  std::va_list arguments;
  va_start(arguments, number);
  for (long& value : values) value = va_arg(arguments, long);
  va_end(arguments);
  // libuv closes so.
  const int closing = number == SYS_close ? injected(row("close")) : 0;
  if (number == SYS_close) note_closed(static_cast<int>(values[0]));
  if (const int error = injected_by_number(number); error != 0) return fail(error);
  const long result = hidden<"syscall", long(long, ...)>()(number, values[0], values[1], values[2],
                                                           values[3], values[4], values[5]);
  return closing != 0 ? fail(closing) : result;
}
