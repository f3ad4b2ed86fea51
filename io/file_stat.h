// FileStat: what the system knows of a file.
//
//   io::FileStat before = poll.next().current;
//   if (before.is_file() && before.size > 0) follow(before.modified);
//
// A value: it tells how the file was when it was asked for. Times are of the system's
// clock, to the nanosecond as far as the file system keeps them.
// Source: Node `fs.Stats` (`mtime` is `modified`, ...); uv_stat_t.
#pragma once

#include <chrono>
#include <cstdint>

namespace weft::io {

// What a name in a directory stands for.
enum class FileKind : std::uint8_t {
  kUnknown,
  kFile,
  kDirectory,
  kSymlink,  // told only of a name that was not followed
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice,
};

using FileTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

struct FileStat {
  FileKind kind = FileKind::kUnknown;
  std::uint32_t mode = 0;    // as stat(2) has it, with the bits of the kind
  std::uint64_t size = 0;    // bytes
  std::uint64_t device = 0;  // of the file system; together with `inode` the file's identity
  std::uint64_t inode = 0;
  std::uint64_t link_count = 0;  // names that lead to it
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t special_device = 0;  // which one a device file stands for
  std::uint64_t block_bytes = 0;     // what the file system likes to read and write at once
  std::uint64_t blocks = 0;          // of 512 bytes that it takes
  FileTime accessed;
  FileTime modified;
  FileTime changed;  // content or what is known of it: mode, owner, links
  FileTime born;     // the epoch where the file system does not tell

  bool is_file() const noexcept { return kind == FileKind::kFile; }
  bool is_directory() const noexcept { return kind == FileKind::kDirectory; }
  bool is_symlink() const noexcept { return kind == FileKind::kSymlink; }
  // Without the bits of the kind: 0644.
  std::uint32_t permissions() const noexcept { return mode & 07777U; }
  // Whether both are one file, whatever has changed in it.
  bool is_same_file(const FileStat& other) const noexcept {
    return device == other.device && inode == other.inode;
  }

  friend bool operator==(const FileStat&, const FileStat&) = default;
};

}  // namespace weft::io
