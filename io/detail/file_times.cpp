#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

#include <uv.h>

#include <weft/io/detail/file_times.h>

namespace weft::detail {
namespace {

using Times = std::array<timespec, 2>;

timespec to_timespec(io::FileTime time) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {.tv_sec = seconds.time_since_epoch().count(), .tv_nsec = (time - seconds).count()};
}

Times to_times(io::FileTime accessed, io::FileTime modified) noexcept {
  return {to_timespec(accessed), to_timespec(modified)};
}

int code_of(int result) noexcept {
  return result == 0 ? 0 : uv_translate_sys_error(errno);
}

}  // namespace

int set_times(int fd, io::FileTime accessed, io::FileTime modified) noexcept {
  return code_of(::futimens(fd, to_times(accessed, modified).data()));
}

int set_times(const char* path, bool follows, io::FileTime accessed,
              io::FileTime modified) noexcept {
  return code_of(::utimensat(AT_FDCWD, path, to_times(accessed, modified).data(),
                             follows ? 0 : AT_SYMLINK_NOFOLLOW));
}

}  // namespace weft::detail
