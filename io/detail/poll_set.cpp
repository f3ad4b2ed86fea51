#include <cerrno>

#include <weft/io/detail/poll_set.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

namespace weft::detail {

// A hang-up is told of in any case: once, and libuv skips what has no descriptor.
int add_to_poll_set(uv_loop_t* loop, int fd) noexcept {
#ifdef __linux__
  epoll_event event{};
  event.events = EPOLLONESHOT;
  event.data.fd = -1;
  const bool failed = ::epoll_ctl(uv_backend_fd(loop), EPOLL_CTL_ADD, fd, &event) != 0;
  if (failed && errno != EEXIST) return uv_translate_sys_error(errno);
#else
  static_cast<void>(loop);
  static_cast<void>(fd);
#endif
  return 0;
}

int add_to_poll_set(const uv_handle_t* handle) noexcept {
  uv_os_fd_t fd = -1;
  const int code = uv_fileno(handle, &fd);
  return code < 0 ? code : add_to_poll_set(handle->loop, fd);
}

}  // namespace weft::detail
