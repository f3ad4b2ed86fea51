// Operations on paths: what Node's fs and libuv's uv_fs_* do without an open file.
//
//   if (io::stat(path).is_directory()) io::remove_all(path);
//   std::string config = io::read_file("server.conf");
//
// Each runs on a thread of Pool::fs(), and exists twice: a call that waits, for fibers,
// and one that takes `done`. A path is the system's, bytes without a null character.
//
// Of all of them holds, beyond what is said below:
//
// Context:  fiber; the form with `done`: loop thread
// Suspends: the form without `done`, always; the other never.
// Errors:   no_such_file_or_directory, not_a_directory, permission_denied,
//           too_many_symbolic_link_levels, filename_too_long, read_only_file_system; the
//           text names the call and the path, or both: "rename /a -> /b: ...".
//           resource_unavailable_try_again when the pool's queue is full. UsageError for
//           a path with a null character in it.
// Cancel:   at once. What waits for a thread is not done; what runs is given up: it ends
//           unheard, closes what it opened, and neither run() nor the end of the process
//           waits for it (Pool::Options::abandoned_max tells how many may hang).
// Source:   Node's callback style, type FSREQCALLBACK. Its promises' FSREQPROMISE has no
//           counterpart: here a fiber waits for the same operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/io/directory_entry.h>
#include <weft/io/file.h>
#include <weft/io/file_stat.h>
#include <weft/runtime/await.h>

namespace weft::io {

// --- what is known of a file ---

// Of what the path leads to; lstat, of a symlink itself.
FileStat stat(std::string path);
void stat(std::string path, Callback<FileStat> done);
FileStat lstat(std::string path);
void lstat(std::string path, Callback<FileStat> done);

// What the process must be allowed; none: that the file is there.
struct AccessOptions {
  bool read = false;
  bool write = false;
  bool execute = false;
};
// Succeeds when all of it is allowed. What it says may be past when you act on it:
// opening, and looking at the error, is safe.
void access(std::string path, AccessOptions options = {});
void access(std::string path, AccessOptions options, Callback<void> done);

// The file system a path is on.
struct FileSystemStat {
  std::uint64_t type = 0;  // the system's number for its kind
  std::uint64_t block_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_free = 0;
  std::uint64_t blocks_available = 0;  // of those free, to who is not root
  std::uint64_t files = 0;
  std::uint64_t files_free = 0;
};
FileSystemStat statfs(std::string path);
void statfs(std::string path, Callback<FileSystemStat> done);

void chmod(std::string path, std::uint32_t mode);
void chmod(std::string path, std::uint32_t mode, Callback<void> done);
// lchown and lutime: of a symlink itself.
void chown(std::string path, std::uint32_t uid, std::uint32_t gid);
void chown(std::string path, std::uint32_t uid, std::uint32_t gid, Callback<void> done);
void lchown(std::string path, std::uint32_t uid, std::uint32_t gid);
void lchown(std::string path, std::uint32_t uid, std::uint32_t gid, Callback<void> done);
// To the nanosecond, as File::utime.
void utime(std::string path, FileTime accessed, FileTime modified);
void utime(std::string path, FileTime accessed, FileTime modified, Callback<void> done);
void lutime(std::string path, FileTime accessed, FileTime modified);
void lutime(std::string path, FileTime accessed, FileTime modified, Callback<void> done);

// --- names ---

// Replaces what `to` names.
// Errors: cross_device_link.
void rename(std::string from, std::string to);
void rename(std::string from, std::string to, Callback<void> done);
// Makes `link` another name of the file `path`.
void link(std::string path, std::string link);
void link(std::string path, std::string link, Callback<void> done);
// Makes `link` a symlink which says `target`, whether that is there or not.
void symlink(std::string target, std::string link);
void symlink(std::string target, std::string link, Callback<void> done);
// Returns what a symlink says.
// Errors: invalid_argument when it is none.
std::string readlink(std::string path);
void readlink(std::string path, Callback<std::string> done);
// Returns the path from the root, with no symlink, "." or ".." in it.
std::string realpath(std::string path);
void realpath(std::string path, Callback<std::string> done);
void unlink(std::string path);
void unlink(std::string path, Callback<void> done);

// --- directories ---

struct MkdirOptions {
  std::uint32_t mode = 0777;  // less the process's umask
  bool parents = false;       // those missing, too; that it is there is no error then
};
void mkdir(std::string path, MkdirOptions options = {});
void mkdir(std::string path, MkdirOptions options, Callback<void> done);
// Errors: directory_not_empty.
void rmdir(std::string path);
void rmdir(std::string path, Callback<void> done);
// Removes a file, or a directory with all that is in it, however deep, with a few
// descriptors; symlinks are not followed.
// Returns how much: 0 when nothing was there, which is no error.
std::size_t remove_all(std::string path);
void remove_all(std::string path, Callback<std::size_t> done);
// Returns all entries, sorted by name, without "." and "..". Directory reads large ones
// in parts.
std::vector<DirectoryEntry> read_directory(std::string path);
void read_directory(std::string path, Callback<std::vector<DirectoryEntry>> done);

// Makes a directory whose name is `prefix` and six characters, for this user alone, and
// returns its path.
std::string mkdtemp(std::string prefix);
void mkdtemp(std::string prefix, Callback<std::string> done);
// The same with a file, open to read and write.
struct TemporaryFile {
  File file;
  std::string path;
};
TemporaryFile mkstemp(std::string prefix);
void mkstemp(std::string prefix, Callback<TemporaryFile> done);

// --- contents ---

struct ReadFileOptions {
  std::size_t bytes_max = SIZE_MAX;  // a longer file is an error
};
// Returns all of a file: opens, reads and closes it, in one work.
//
// Errors: file_too_large: longer than bytes_max.
std::string read_file(std::string path, ReadFileOptions options = {});
void read_file(std::string path, ReadFileOptions options, Callback<std::string> done);

struct WriteFileOptions {
  bool exclusive = false;     // that it is there already is an error
  bool sync = false;          // waits until the bytes are on the device
  std::uint32_t mode = 0666;  // of a file that is created, less the process's umask
};
// Makes `bytes` the whole of a file, or adds them at its end; creates it when need be.
//
// Shape:  `bytes` must stay valid until completion.
// Errors: no_space_on_device; the file may have been cut off and partly written.
// Cancel: the same. At once while the file is opened; then, since it uses `bytes`, between
//         two steps.
void write_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options = {});
void write_file(std::string path, std::string_view text, WriteFileOptions options = {});
void write_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options,
                Callback<void> done);
void write_file(std::string path, std::string text, WriteFileOptions options, Callback<void> done);
void append_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options = {});
void append_file(std::string path, std::string_view text, WriteFileOptions options = {});
void append_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options,
                 Callback<void> done);
void append_file(std::string path, std::string text, WriteFileOptions options, Callback<void> done);

enum class CloneMode {
  kNo,
  kTry,   // the two share their blocks until one is written, where the file system can that
  kMust,  // else an error
};
struct CopyFileOptions {
  bool exclusive = false;  // that `to` is there already is an error
  CloneMode clone = CloneMode::kNo;
};
// Copies content and mode.
void copy_file(std::string from, std::string to, CopyFileOptions options = {});
void copy_file(std::string from, std::string to, CopyFileOptions options, Callback<void> done);

// Where send_file takes its bytes.
struct FileRange {
  std::uint64_t offset = 0;
  std::size_t bytes = 0;
};
// Copies a range of one file to another's position, inside the system, and returns how
// many bytes that were: fewer than asked for at the end of `from`, or when the system
// pauses; 0 at the end.
//
// Source: uv_fs_sendfile.
std::size_t send_file(File& to, File& from, FileRange range);
void send_file(File& to, File& from, FileRange range, Callback<std::size_t> done);

}  // namespace weft::io
