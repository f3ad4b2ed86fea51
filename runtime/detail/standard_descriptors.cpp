#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {

// The lowest free number is the one that open(2) gives; where another thread has taken it
// meanwhile, it is open.
void open_standard_descriptors() noexcept {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    const int opened = ::open("/dev/null", O_RDWR);
    if (opened > 2) ::close(opened);
  }
}

int move_above_standard(int fd) noexcept {
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  const int error = errno;
  ::close(fd);
  open_standard_descriptors();
  errno = error;
  return moved;
}

}  // namespace weft::detail
