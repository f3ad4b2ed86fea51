#include <algorithm>
#include <fcntl.h>
#include <mutex>
#include <sys/resource.h>
#include <unistd.h>

#include <weft/runtime/detail/fd_table.h>

namespace weft::detail {
namespace {

// 512 KiB of the kernel's memory.
constexpr rlim_t kDescriptorsMax = 65536;

// A descriptor with a high number makes the kernel grow the table at once; it never shrinks.
void grow_with(int fd) noexcept {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto highest = static_cast<int>(std::min(limit.rlim_cur, kDescriptorsMax)) - 1;
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, highest);
  if (high >= 0) ::close(high);
}

}  // namespace

void grow_fd_table(int fd) noexcept {
  static std::once_flag once;
  std::call_once(once, [fd] { grow_with(fd); });
}

}  // namespace weft::detail
