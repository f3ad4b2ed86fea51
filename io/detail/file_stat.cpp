#include <sys/stat.h>

#include <weft/io/detail/file_stat.h>

namespace weft::detail {
namespace {

io::FileTime to_time(const uv_timespec_t& time) noexcept {
  return io::FileTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

io::FileStat to_file_stat(const uv_stat_t& stat) noexcept {
  return {
      .kind = to_file_kind(stat.st_mode),
      .mode = static_cast<std::uint32_t>(stat.st_mode),
      .size = stat.st_size,
      .device = stat.st_dev,
      .inode = stat.st_ino,
      .link_count = stat.st_nlink,
      .uid = static_cast<std::uint32_t>(stat.st_uid),
      .gid = static_cast<std::uint32_t>(stat.st_gid),
      .special_device = stat.st_rdev,
      .block_bytes = stat.st_blksize,
      .blocks = stat.st_blocks,
      .accessed = to_time(stat.st_atim),
      .modified = to_time(stat.st_mtim),
      .changed = to_time(stat.st_ctim),
      .born = to_time(stat.st_birthtim),
  };
}

io::FileKind to_file_kind(std::uint64_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return io::FileKind::kFile;
    case S_IFDIR:
      return io::FileKind::kDirectory;
    case S_IFLNK:
      return io::FileKind::kSymlink;
    case S_IFIFO:
      return io::FileKind::kFifo;
    case S_IFSOCK:
      return io::FileKind::kSocket;
    case S_IFCHR:
      return io::FileKind::kCharacterDevice;
    case S_IFBLK:
      return io::FileKind::kBlockDevice;
    default:
      return io::FileKind::kUnknown;
  }
}

io::FileKind to_file_kind(uv_dirent_type_t type) noexcept {
  switch (type) {
    case UV_DIRENT_FILE:
      return io::FileKind::kFile;
    case UV_DIRENT_DIR:
      return io::FileKind::kDirectory;
    case UV_DIRENT_LINK:
      return io::FileKind::kSymlink;
    case UV_DIRENT_FIFO:
      return io::FileKind::kFifo;
    case UV_DIRENT_SOCKET:
      return io::FileKind::kSocket;
    case UV_DIRENT_CHAR:
      return io::FileKind::kCharacterDevice;
    case UV_DIRENT_BLOCK:
      return io::FileKind::kBlockDevice;
    case UV_DIRENT_UNKNOWN:
      return io::FileKind::kUnknown;
  }
  return io::FileKind::kUnknown;
}

}  // namespace weft::detail
