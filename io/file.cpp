#include <optional>
#include <utility>

#include <weft/io/detail/file_block.h>
#include <weft/io/detail/file_stat.h>
#include <weft/io/detail/file_times.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/uv_buffers.h>
#include <weft/io/file.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::io {

using weft::detail::bytes_of;
using weft::detail::FileBirth;
using weft::detail::FileBlock;
using weft::detail::FilePass;
using weft::detail::FsThread;
using weft::detail::kAtPosition;
using weft::detail::start;
using weft::detail::UvBuffers;
using weft::detail::wait_for;

namespace {

int flags_of(const OpenOptions& options) {
  const bool writes = options.write || options.append;
  if (options.truncate && !writes) {
    throw UsageError("open: truncate needs a file that is written; set write");
  }
  if (options.truncate && options.append) {
    throw UsageError("open: truncate and append contradict each other; set one of the two");
  }
  int flags = !writes ? UV_FS_O_RDONLY : options.read ? UV_FS_O_RDWR : UV_FS_O_WRONLY;
  if (options.append) flags |= UV_FS_O_APPEND;
  if (options.create || options.exclusive) flags |= UV_FS_O_CREAT;
  if (options.exclusive) flags |= UV_FS_O_EXCL;
  if (options.truncate) flags |= UV_FS_O_TRUNC;
  if (options.sync) flags |= UV_FS_O_SYNC;
  if (options.no_follow) flags |= UV_FS_O_NOFOLLOW;
  return flags;
}

std::int64_t to_offset(const char* what, std::uint64_t offset) {
  if (static_cast<std::int64_t>(offset) < 0) {
    throw UsageError(std::string(what) + ": the offset is beyond what files have");
  }
  return static_cast<std::int64_t>(offset);
}

// --- the operations, each written once ---

template <typename T, typename Call>
auto on_file(const char* what, FileBlock& file, Call call) {
  return weft::detail::fs_operation<T>(what, FilePass(file, what), std::move(call));
}

auto opening(std::string path, const OpenOptions& options) {
  return weft::detail::fs_operation<File>(
      "open", FileBirth::of("open", std::move(path)),
      [flags = flags_of(options), mode = options.mode](FsThread& thread, FileBirth& birth,
                                                       std::optional<File>& file) {
        weft::detail::open_standard_descriptors();
        return birth.born(
            thread.call(uv_fs_open, birth.text().c_str(), flags, static_cast<int>(mode)), file);
      });
}

// `Pieces` is what UvBuffers takes: bytes, or a span of such.
template <typename Pieces>
auto reading(FileBlock& file, Pieces into, std::int64_t offset) {
  UvBuffers buffers(into);
  if (buffers.bytes() == 0) throw UsageError("read: the buffer is empty; 0 would mean the end");
  return on_file<std::size_t>(
      "read", file, [buffers = std::move(buffers), offset](FsThread& thread, FilePass& pass) {
        return weft::detail::read_some(thread, pass.fd, buffers, offset);
      });
}

template <typename Pieces>
auto writing(FileBlock& file, Pieces bytes, std::int64_t offset) {
  return on_file<void>(
      "write", file,
      [buffers = UvBuffers(bytes), offset](FsThread& thread, FilePass& pass) mutable {
        return weft::detail::write_all(thread, pass.fd, buffers, offset);
      });
}

// A text that the operation keeps.
auto writing_text(FileBlock& file, std::string text, std::int64_t offset) {
  return on_file<void>("write", file,
                       [text = std::move(text), offset](FsThread& thread, FilePass& pass) {
                         UvBuffers buffers(bytes_of(text));
                         return weft::detail::write_all(thread, pass.fd, buffers, offset);
                       });
}

auto asking(FileBlock& file) {
  return on_file<FileStat>("stat", file,
                           [](FsThread& thread, FilePass& pass, std::optional<FileStat>& stat) {
                             const std::int64_t code = thread.call(uv_fs_fstat, pass.fd);
                             if (code == 0)
                               stat = weft::detail::to_file_stat(thread.request().statbuf);
                             return code;
                           });
}

auto truncating(FileBlock& file, std::uint64_t bytes) {
  return on_file<void>("truncate", file,
                       [bytes = to_offset("truncate", bytes)](FsThread& thread, FilePass& pass) {
                         return thread.call(uv_fs_ftruncate, pass.fd, bytes);
                       });
}

auto syncing(FileBlock& file) {
  return on_file<void>("sync", file, [](FsThread& thread, FilePass& pass) {
    return thread.call(uv_fs_fsync, pass.fd);
  });
}

auto syncing_data(FileBlock& file) {
  return on_file<void>("datasync", file, [](FsThread& thread, FilePass& pass) {
    return thread.call(uv_fs_fdatasync, pass.fd);
  });
}

auto changing_mode(FileBlock& file, std::uint32_t mode) {
  return on_file<void>("chmod", file, [mode](FsThread& thread, FilePass& pass) {
    return thread.call(uv_fs_fchmod, pass.fd, static_cast<int>(mode));
  });
}

auto changing_owner(FileBlock& file, std::uint32_t uid, std::uint32_t gid) {
  return on_file<void>("chown", file, [uid, gid](FsThread& thread, FilePass& pass) {
    return thread.call(uv_fs_fchown, pass.fd, uid, gid);
  });
}

auto changing_times(FileBlock& file, FileTime accessed, FileTime modified) {
  return on_file<void>("utime", file, [accessed, modified](FsThread&, FilePass& pass) {
    return weft::detail::set_times(pass.fd, accessed, modified);
  });
}

}  // namespace

// --- File ---

File::File(Block block) noexcept : block_(std::move(block)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;

FileBlock& File::block(const char* what) const {
  if (block_ == nullptr) weft::detail::raise_moved_from(what);
  return *block_;
}

File File::open(std::string path, OpenOptions options) {
  return wait_for(opening(std::move(path), options));
}
void File::open(std::string path, OpenOptions options, Callback<File> done) {
  start(opening(std::move(path), options), std::move(done));
}

File File::adopt(int fd, std::string name) {
  if (fd < 0) throw UsageError("adopt: a descriptor is 0 or more");
  Block block(new FileBlock(std::move(name)));
  block->set_fd(fd);
  return File(std::move(block));
}

std::size_t File::read(std::span<std::byte> into) {
  return wait_for(reading(block("read"), into, kAtPosition));
}
std::size_t File::read(std::span<const std::span<std::byte>> pieces) {
  return wait_for(reading(block("read"), pieces, kAtPosition));
}
std::size_t File::read_at(std::span<std::byte> into, std::uint64_t offset) {
  return wait_for(reading(block("read"), into, to_offset("read", offset)));
}
std::size_t File::read_at(std::span<const std::span<std::byte>> pieces, std::uint64_t offset) {
  return wait_for(reading(block("read"), pieces, to_offset("read", offset)));
}
void File::read(std::span<std::byte> into, Callback<std::size_t> done) {
  start(reading(block("read"), into, kAtPosition), std::move(done));
}
void File::read(std::span<const std::span<std::byte>> pieces, Callback<std::size_t> done) {
  start(reading(block("read"), pieces, kAtPosition), std::move(done));
}
void File::read_at(std::span<std::byte> into, std::uint64_t offset, Callback<std::size_t> done) {
  start(reading(block("read"), into, to_offset("read", offset)), std::move(done));
}
void File::read_at(std::span<const std::span<std::byte>> pieces, std::uint64_t offset,
                   Callback<std::size_t> done) {
  start(reading(block("read"), pieces, to_offset("read", offset)), std::move(done));
}

void File::write(Bytes bytes) {
  wait_for(writing(block("write"), bytes, kAtPosition));
}
void File::write(std::string_view text) {
  write(bytes_of(text));
}
void File::write(std::span<const Bytes> pieces) {
  wait_for(writing(block("write"), pieces, kAtPosition));
}
void File::write_at(Bytes bytes, std::uint64_t offset) {
  wait_for(writing(block("write"), bytes, to_offset("write", offset)));
}
void File::write_at(std::string_view text, std::uint64_t offset) {
  write_at(bytes_of(text), offset);
}
void File::write_at(std::span<const Bytes> pieces, std::uint64_t offset) {
  wait_for(writing(block("write"), pieces, to_offset("write", offset)));
}
void File::write(Bytes bytes, Callback<void> done) {
  start(writing(block("write"), bytes, kAtPosition), std::move(done));
}
void File::write(std::string text, Callback<void> done) {
  start(writing_text(block("write"), std::move(text), kAtPosition), std::move(done));
}
void File::write(std::span<const Bytes> pieces, Callback<void> done) {
  start(writing(block("write"), pieces, kAtPosition), std::move(done));
}
void File::write_at(Bytes bytes, std::uint64_t offset, Callback<void> done) {
  start(writing(block("write"), bytes, to_offset("write", offset)), std::move(done));
}
void File::write_at(std::string text, std::uint64_t offset, Callback<void> done) {
  start(writing_text(block("write"), std::move(text), to_offset("write", offset)), std::move(done));
}
void File::write_at(std::span<const Bytes> pieces, std::uint64_t offset, Callback<void> done) {
  start(writing(block("write"), pieces, to_offset("write", offset)), std::move(done));
}

FileStat File::stat() {
  return wait_for(asking(block("stat")));
}
void File::stat(Callback<FileStat> done) {
  start(asking(block("stat")), std::move(done));
}
void File::truncate(std::uint64_t bytes) {
  wait_for(truncating(block("truncate"), bytes));
}
void File::truncate(std::uint64_t bytes, Callback<void> done) {
  start(truncating(block("truncate"), bytes), std::move(done));
}
void File::sync() {
  wait_for(syncing(block("sync")));
}
void File::sync(Callback<void> done) {
  start(syncing(block("sync")), std::move(done));
}
void File::datasync() {
  wait_for(syncing_data(block("datasync")));
}
void File::datasync(Callback<void> done) {
  start(syncing_data(block("datasync")), std::move(done));
}
void File::chmod(std::uint32_t mode) {
  wait_for(changing_mode(block("chmod"), mode));
}
void File::chmod(std::uint32_t mode, Callback<void> done) {
  start(changing_mode(block("chmod"), mode), std::move(done));
}
void File::chown(std::uint32_t uid, std::uint32_t gid) {
  wait_for(changing_owner(block("chown"), uid, gid));
}
void File::chown(std::uint32_t uid, std::uint32_t gid, Callback<void> done) {
  start(changing_owner(block("chown"), uid, gid), std::move(done));
}
void File::utime(FileTime accessed, FileTime modified) {
  wait_for(changing_times(block("utime"), accessed, modified));
}
void File::utime(FileTime accessed, FileTime modified, Callback<void> done) {
  start(changing_times(block("utime"), accessed, modified), std::move(done));
}

void File::close() {
  weft::detail::wait_closed(block("close"));
}
void File::close(Callback<void> done) {
  weft::detail::start_close(block("close"), std::move(done));
}
bool File::is_open() const noexcept {
  return block_ != nullptr && block_->is_open();
}
int File::fd() const {
  return block("fd").fd();
}
int File::release() {
  FileBlock& file = block("release");
  if (file.is_used()) throw UsageError("release: an operation uses the file; wait for its end");
  if (!file.is_open()) throw UsageError("release: the file is closed");
  return file.release();
}

}  // namespace weft::io
