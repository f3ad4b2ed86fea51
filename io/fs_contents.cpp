// Files as a whole: open, read or write, and close, in one work.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <weft/io/detail/file_block.h>
#include <weft/io/detail/fs_request.h>
#include <weft/io/detail/uv_buffers.h>
#include <weft/io/fs.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::io {

using weft::detail::bytes_of;
using weft::detail::FilePass;
using weft::detail::FsBorrowed;
using weft::detail::FsPath;
using weft::detail::FsThread;
using weft::detail::kAtPosition;
using weft::detail::on_path;
using weft::detail::start;
using weft::detail::UvBuffers;
using weft::detail::wait_for;

namespace {

constexpr std::size_t kFirstRoom = 4096;                   // for a file that hides its size
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;  // between two looks at a cancel

// A descriptor that does not leave the work.
class Opened {
 public:
  Opened(FsThread& thread, const std::string& path, int flags, std::uint32_t mode)
      : thread_(thread),
        fd_((weft::detail::open_standard_descriptors(),
             thread.call(uv_fs_open, path.c_str(), flags, static_cast<int>(mode)))) {}
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() {
    if (fd_ >= 0) close();
  }

  int fd() const noexcept { return static_cast<int>(fd_); }
  // Why it is not open.
  std::int64_t error() const noexcept { return std::min<std::int64_t>(fd_, 0); }
  std::int64_t close() noexcept {
    return thread_.call(uv_fs_close, static_cast<int>(std::exchange(fd_, UV_EBADF)));
  }

 private:
  FsThread& thread_;
  std::int64_t fd_;
};

// Reads into what `content` has behind `used`; returns how much came.
std::int64_t read_more(FsThread& thread, int fd, std::string& content, std::size_t used) {
  const auto room = std::as_writable_bytes(std::span(content)).subspan(used);
  return weft::detail::read_some(
      thread, fd, UvBuffers(room.first(std::min(room.size(), kPieceBytes))), kAtPosition);
}

std::int64_t read_whole(FsThread& thread, const std::string& path, std::size_t bytes_max,
                        std::string& content) {
  const Opened file(thread, path, UV_FS_O_RDONLY, 0);
  if (file.error() < 0) return file.error();
  if (const auto code = thread.call(uv_fs_fstat, file.fd()); code < 0) return code;
  const std::uint64_t size = thread.request().statbuf.st_size;
  if (size > bytes_max) return UV_EFBIG;
  if (thread.is_given_up()) return UV_ECANCELED;
  // One more than there is: the read that finds the end needs room.
  content.resize(size > 0 ? size + 1 : kFirstRoom);
  for (std::size_t used = 0;;) {
    const std::int64_t count = read_more(thread, file.fd(), content, used);
    if (count < 0) return count;
    used += static_cast<std::size_t>(count);
    if (used > bytes_max) return UV_EFBIG;
    if (count == 0) return content.resize(used), 0;
    if (thread.is_given_up()) return UV_ECANCELED;
    if (used == content.size()) content.resize(2 * used);
  }
}

auto reading(std::string path, ReadFileOptions options) {
  return on_path<std::string>("read_file", std::move(path),
                              [limit = options.bytes_max](FsThread& thread, const FsPath& at,
                                                          std::optional<std::string>& content) {
                                return read_whole(thread, at.path, limit, content.emplace());
                              });
}

// What is written: a name, flags, and a mode.
struct Target {
  const char* what;
  int flags;
  WriteFileOptions options;
};

Target whole(const WriteFileOptions& options) {
  return {"write_file", UV_FS_O_TRUNC, options};
}
Target end_of(const WriteFileOptions& options) {
  return {"append_file", UV_FS_O_APPEND, options};
}

std::int64_t write_whole(FsThread& thread, const std::string& path, const Target& target,
                         weft::detail::Bytes bytes) {
  const int flags =
      UV_FS_O_WRONLY | UV_FS_O_CREAT | target.flags | (target.options.exclusive ? UV_FS_O_EXCL : 0);
  Opened file(thread, path, flags, target.options.mode);
  if (file.error() < 0) return file.error();
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kPieceBytes))) {
    const FsBorrowed lent(thread);
    if (!lent) return UV_ECANCELED;
    UvBuffers piece(bytes.first(std::min(bytes.size(), kPieceBytes)));
    const std::int64_t code = weft::detail::write_all(thread, file.fd(), piece, kAtPosition);
    if (code < 0) return code;
    if (thread.is_given_up()) return UV_ECANCELED;
  }
  if (target.options.sync) {
    if (const auto code = thread.call(uv_fs_fsync, file.fd()); code < 0) return code;
  }
  return file.close();
}

auto writing(std::string path, weft::detail::Bytes bytes, const Target& target) {
  return on_path<void>(target.what, std::move(path),
                       [target, bytes](FsThread& thread, const FsPath& at) {
                         return write_whole(thread, at.path, target, bytes);
                       });
}
// A text that the operation keeps.
auto writing_text(std::string path, std::string text, const Target& target) {
  return on_path<void>(target.what, std::move(path),
                       [target, text = std::move(text)](FsThread& thread, const FsPath& at) {
                         return write_whole(thread, at.path, target, bytes_of(text));
                       });
}

// Both files of a send_file.
struct TwoFiles {
  static constexpr bool kOwnsAll = false;

  FilePass to;
  FilePass from;

  std::string text() const { return from.text() + " -> " + to.text(); }
  void let_go() noexcept {
    to.let_go();
    from.let_go();
  }
};

auto sending(File& to, File& from, FileRange range) {
  using weft::detail::FileAccess;
  constexpr const char* kWhat = "send_file";
  if (static_cast<std::int64_t>(range.offset) < 0) {
    throw UsageError("send_file: the offset is beyond what files have");
  }
  return weft::detail::fs_operation<std::size_t>(
      kWhat,
      TwoFiles{{FileAccess::block(to, kWhat), kWhat}, {FileAccess::block(from, kWhat), kWhat}},
      [range](FsThread& thread, TwoFiles& files) {
        return thread.call(uv_fs_sendfile, files.to.fd, files.from.fd,
                           static_cast<std::int64_t>(range.offset), range.bytes);
      });
}

}  // namespace

std::string read_file(std::string path, ReadFileOptions options) {
  return wait_for(reading(std::move(path), options));
}
void read_file(std::string path, ReadFileOptions options, Callback<std::string> done) {
  start(reading(std::move(path), options), std::move(done));
}

void write_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options) {
  wait_for(writing(std::move(path), bytes, whole(options)));
}
void write_file(std::string path, std::string_view text, WriteFileOptions options) {
  wait_for(writing(std::move(path), bytes_of(text), whole(options)));
}
void write_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options,
                Callback<void> done) {
  start(writing(std::move(path), bytes, whole(options)), std::move(done));
}
void write_file(std::string path, std::string text, WriteFileOptions options, Callback<void> done) {
  start(writing_text(std::move(path), std::move(text), whole(options)), std::move(done));
}
void append_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options) {
  wait_for(writing(std::move(path), bytes, end_of(options)));
}
void append_file(std::string path, std::string_view text, WriteFileOptions options) {
  wait_for(writing(std::move(path), bytes_of(text), end_of(options)));
}
void append_file(std::string path, std::span<const std::byte> bytes, WriteFileOptions options,
                 Callback<void> done) {
  start(writing(std::move(path), bytes, end_of(options)), std::move(done));
}
void append_file(std::string path, std::string text, WriteFileOptions options,
                 Callback<void> done) {
  start(writing_text(std::move(path), std::move(text), end_of(options)), std::move(done));
}

std::size_t send_file(File& to, File& from, FileRange range) {
  return wait_for(sending(to, from, range));
}
void send_file(File& to, File& from, FileRange range, Callback<std::size_t> done) {
  start(sending(to, from, range), std::move(done));
}

}  // namespace weft::io
