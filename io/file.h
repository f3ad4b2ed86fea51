// File: an open file.
//
//   auto log = io::File::open("server.log", {.append = true, .create = true});
//   log.write("started\n");
//   log.close();
//
// Files block: each operation runs on a thread of Pool::fs(), and the fiber waits. As with
// streams, each exists twice: a call that waits, and one that takes `done`.
//
// Any number of operations may run on one File at a time. Those at an offset do not
// disturb each other; those at the file's position (read, write) take their turns as the
// kernel has them, so that at most one of them should run. Each belongs to the loop that
// started it; while none runs, the File may move to another thread.
//
// Owners: moving one moves the file; dropping one closes it on the pool, as soon as the
// operations that run have ended, and nobody hears of an error. A call on one that was
// moved from throws UsageError.
// Source: Node's callback style: an operation is a resource of type FSREQCALLBACK, and a
// File, as a descriptor there, is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <weft/io/detail/drop_fs_block.h>
#include <weft/io/file_stat.h>
#include <weft/runtime/await.h>
#include <weft/runtime/result.h>

namespace weft {

namespace detail {
class FileBlock;
struct FileAccess;
}  // namespace detail

namespace io {

// How to open a file: to read it, unless one of the first three says otherwise.
struct OpenOptions {
  bool read = false;
  bool write = false;
  bool append = false;        // writes, always at the end
  bool create = false;        // when it is not there; without it that is an error
  bool exclusive = false;     // creates; that it is there already is an error
  bool truncate = false;      // to nothing
  bool sync = false;          // a write ends when the bytes are on the device
  bool no_follow = false;     // a symlink is an error
  std::uint32_t mode = 0666;  // of a file that is created, less the process's umask
};

class File {
 public:
  using Bytes = std::span<const std::byte>;

  // Opens `path`.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, always; the other never. So do all below.
  // Errors:   no_such_file_or_directory, permission_denied, file_exists (exclusive),
  //           is_a_directory, too_many_files_open; the text names the path.
  //           resource_unavailable_try_again when the pool's queue is full: so each below.
  //           UsageError for options that make no sense together.
  // Cancel:   at once: an open that runs (of a FIFO nobody writes to, on a server that is
  //           gone) ends unheard and closes what it opened; run() does not wait for it.
  //           Below: what waits for a thread is not done, what runs is waited for, since
  //           it uses the caller's memory or the open file, and its result is returned.
  // Source:   uv_fs_open; Node `fs.open`, whose flags are 'r+', 'ax', ...
  static File open(std::string path, OpenOptions options = {});
  static void open(std::string path, OpenOptions options, Callback<File> done);
  // Owns a descriptor that was opened elsewhere. `name` is for errors.
  static File adopt(int fd, std::string name);

  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  // Reads up to `into.size()` bytes at the file's position, which moves, or at `offset`.
  // Completes with at least one, or with 0 at the end of the file.
  //
  // Shape:  `into`, and what the pieces refer to, must stay valid until completion.
  // Units:  `offset` in bytes from the start.
  // Errors: is_a_directory; bad_file_descriptor (the file is closed, or not open to
  //         read); invalid_seek (a pipe has no offsets). UsageError for an empty buffer.
  // Cancel: a read of a pipe or terminal waits, and holds its thread, until bytes come.
  // Source: uv_fs_read.
  std::size_t read(std::span<std::byte> into);
  std::size_t read(std::span<const std::span<std::byte>> pieces);
  std::size_t read_at(std::span<std::byte> into, std::uint64_t offset);
  std::size_t read_at(std::span<const std::span<std::byte>> pieces, std::uint64_t offset);
  void read(std::span<std::byte> into, Callback<std::size_t> done);
  void read(std::span<const std::span<std::byte>> pieces, Callback<std::size_t> done);
  void read_at(std::span<std::byte> into, std::uint64_t offset, Callback<std::size_t> done);
  void read_at(std::span<const std::span<std::byte>> pieces, std::uint64_t offset,
               Callback<std::size_t> done);

  // Writes all of `bytes`, or of each piece in order, at the file's position, which moves,
  // or at `offset`; a file open to append takes both at its end.
  //
  // Shape:  `bytes`, and what the pieces refer to, must stay valid until completion.
  // Errors: no_space_on_device, file_too_large, broken_pipe; bad_file_descriptor. Some of
  //         the bytes may have been written.
  // Cancel: ends between two steps when the system takes the bytes in several; then some
  //         have been written.
  // Source: uv_fs_write, again for what it did not take.
  void write(Bytes bytes);
  void write(std::string_view text);
  void write(std::span<const Bytes> pieces);
  void write_at(Bytes bytes, std::uint64_t offset);
  void write_at(std::string_view text, std::uint64_t offset);
  void write_at(std::span<const Bytes> pieces, std::uint64_t offset);
  void write(Bytes bytes, Callback<void> done);
  void write(std::string text, Callback<void> done);
  void write(std::span<const Bytes> pieces, Callback<void> done);
  void write_at(Bytes bytes, std::uint64_t offset, Callback<void> done);
  void write_at(std::string text, std::uint64_t offset, Callback<void> done);
  void write_at(std::span<const Bytes> pieces, std::uint64_t offset, Callback<void> done);

  FileStat stat();
  void stat(Callback<FileStat> done);

  // Cuts the file off, or fills it up with zeros.
  void truncate(std::uint64_t bytes);
  void truncate(std::uint64_t bytes, Callback<void> done);

  // Waits until what was written is on the device; datasync, without what is only known
  // of it, as its times.
  // Errors: io_error, no_space_on_device: of writes that had seemed to succeed.
  void sync();
  void sync(Callback<void> done);
  void datasync();
  void datasync(Callback<void> done);

  // Errors: operation_not_permitted (it is somebody else's). So the two below.
  void chmod(std::uint32_t mode);
  void chmod(std::uint32_t mode, Callback<void> done);
  void chown(std::uint32_t uid, std::uint32_t gid);
  void chown(std::uint32_t uid, std::uint32_t gid, Callback<void> done);
  // Source: futimens(2), to the nanosecond; libuv, and Node with it, cuts to microseconds.
  void utime(FileTime accessed, FileTime modified);
  void utime(FileTime accessed, FileTime modified, Callback<void> done);

  // Closes the file once the operations that run have ended; later ones fail.
  //
  // Errors: io_error, no_space_on_device: of writes that had seemed to succeed.
  //         bad_file_descriptor (closed before, or closing).
  // Cancel: the wait ends; the file is closed all the same.
  void close();
  void close(Callback<void> done);
  bool is_open() const noexcept;

  // -1 when it is closed.
  int fd() const;
  // Gives the descriptor up: it is the caller's to close.
  // Errors: UsageError while operations run, or when it is closed.
  int release();

 private:
  friend struct weft::detail::FileAccess;
  using Block = weft::detail::FsPtr<weft::detail::FileBlock>;
  explicit File(Block block) noexcept;
  weft::detail::FileBlock& block(const char* what) const;

  Block block_;
};

}  // namespace io
}  // namespace weft
