// Setting a file's times to the nanosecond. libuv takes them as doubles, of which it keeps
// the microseconds, and none before 1970.
#pragma once

#include <weft/io/file_stat.h>

namespace weft::detail {

// Returns libuv's code.
int set_times(int fd, io::FileTime accessed, io::FileTime modified) noexcept;
// Of the file `path` leads to; or of the symlink itself.
int set_times(const char* path, bool follows, io::FileTime accessed,
              io::FileTime modified) noexcept;

}  // namespace weft::detail
