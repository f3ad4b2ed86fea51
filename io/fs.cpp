#include <fcntl.h>
#include <optional>
#include <unistd.h>
#include <utility>

#include <weft/io/detail/file_stat.h>
#include <weft/io/detail/file_times.h>
#include <weft/io/detail/fs_request.h>
#include <weft/io/fs.h>

namespace weft::io {

using weft::detail::FsPath;
using weft::detail::FsThread;
using weft::detail::FsTwoPaths;
using weft::detail::on_path;
using weft::detail::on_two_paths;
using weft::detail::start;
using weft::detail::wait_for;

namespace {

// --- the operations, each written once ---

// `Function` is uv_fs_stat or uv_fs_lstat.
template <auto Function>
auto asking(const char* what, std::string path) {
  return on_path<FileStat>(what, std::move(path),
                           [](FsThread& thread, const FsPath& at, std::optional<FileStat>& stat) {
                             const std::int64_t code = thread.call(Function, at.path.c_str());
                             if (code == 0)
                               stat = weft::detail::to_file_stat(thread.request().statbuf);
                             return code;
                           });
}

auto asking_access(std::string path, AccessOptions options) {
  const int mode = (options.read ? R_OK : 0) | (options.write ? W_OK : 0) |
                   (options.execute ? X_OK : 0);  // F_OK is 0
  return on_path<void>("access", std::move(path), [mode](FsThread& thread, const FsPath& at) {
    return thread.call(uv_fs_access, at.path.c_str(), mode);
  });
}

auto asking_file_system(std::string path) {
  return on_path<FileSystemStat>(
      "statfs", std::move(path),
      [](FsThread& thread, const FsPath& at, std::optional<FileSystemStat>& stat) {
        const std::int64_t code = thread.call(uv_fs_statfs, at.path.c_str());
        if (code < 0) return code;
        const auto& found = *static_cast<const uv_statfs_t*>(thread.request().ptr);
        stat = FileSystemStat{found.f_type,   found.f_bsize, found.f_blocks, found.f_bfree,
                              found.f_bavail, found.f_files, found.f_ffree};
        return code;
      });
}

auto changing_mode(std::string path, std::uint32_t mode) {
  return on_path<void>("chmod", std::move(path), [mode](FsThread& thread, const FsPath& at) {
    return thread.call(uv_fs_chmod, at.path.c_str(), static_cast<int>(mode));
  });
}

struct Owner {
  std::uint32_t uid;
  std::uint32_t gid;
};

// `Function` is uv_fs_chown or uv_fs_lchown.
template <auto Function>
auto changing_owner(const char* what, std::string path, Owner owner) {
  return on_path<void>(what, std::move(path), [owner](FsThread& thread, const FsPath& at) {
    return thread.call(Function, at.path.c_str(), owner.uid, owner.gid);
  });
}

struct Times {
  FileTime accessed;
  FileTime modified;
};

auto changing_times(const char* what, std::string path, bool follows, Times times) {
  return on_path<void>(what, std::move(path), [follows, times](FsThread&, const FsPath& at) {
    return weft::detail::set_times(at.path.c_str(), follows, times.accessed, times.modified);
  });
}

// `Function` takes one path, or two.
template <auto Function>
auto calling(const char* what, std::string path) {
  return on_path<void>(what, std::move(path), [](FsThread& thread, const FsPath& at) {
    return thread.call(Function, at.path.c_str());
  });
}
template <auto Function, typename... Flags>
auto calling(const char* what, std::string from, std::string to, Flags... flags) {
  return on_two_paths<void>(
      what, std::move(from), std::move(to), [flags...](FsThread& thread, const FsTwoPaths& at) {
        return thread.call(Function, at.from.c_str(), at.to.c_str(), flags...);
      });
}

// `Function` is uv_fs_readlink or uv_fs_realpath.
template <auto Function>
auto resolving(const char* what, std::string path) {
  return on_path<std::string>(
      what, std::move(path),
      [](FsThread& thread, const FsPath& at, std::optional<std::string>& found) {
        const std::int64_t code = thread.call(Function, at.path.c_str());
        if (code == 0) found = static_cast<const char*>(thread.request().ptr);
        return code;
      });
}

int flags_of(const CopyFileOptions& options) {
  int flags = options.exclusive ? UV_FS_COPYFILE_EXCL : 0;
  if (options.clone == CloneMode::kTry) flags |= UV_FS_COPYFILE_FICLONE;
  if (options.clone == CloneMode::kMust) flags |= UV_FS_COPYFILE_FICLONE_FORCE;
  return flags;
}

}  // namespace

// --- what is known of a file ---

FileStat stat(std::string path) {
  return wait_for(asking<uv_fs_stat>("stat", std::move(path)));
}
void stat(std::string path, Callback<FileStat> done) {
  start(asking<uv_fs_stat>("stat", std::move(path)), std::move(done));
}
FileStat lstat(std::string path) {
  return wait_for(asking<uv_fs_lstat>("lstat", std::move(path)));
}
void lstat(std::string path, Callback<FileStat> done) {
  start(asking<uv_fs_lstat>("lstat", std::move(path)), std::move(done));
}
void access(std::string path, AccessOptions options) {
  wait_for(asking_access(std::move(path), options));
}
void access(std::string path, AccessOptions options, Callback<void> done) {
  start(asking_access(std::move(path), options), std::move(done));
}
FileSystemStat statfs(std::string path) {
  return wait_for(asking_file_system(std::move(path)));
}
void statfs(std::string path, Callback<FileSystemStat> done) {
  start(asking_file_system(std::move(path)), std::move(done));
}

void chmod(std::string path, std::uint32_t mode) {
  wait_for(changing_mode(std::move(path), mode));
}
void chmod(std::string path, std::uint32_t mode, Callback<void> done) {
  start(changing_mode(std::move(path), mode), std::move(done));
}
void chown(std::string path, std::uint32_t uid, std::uint32_t gid) {
  wait_for(changing_owner<uv_fs_chown>("chown", std::move(path), {uid, gid}));
}
void chown(std::string path, std::uint32_t uid, std::uint32_t gid, Callback<void> done) {
  start(changing_owner<uv_fs_chown>("chown", std::move(path), {uid, gid}), std::move(done));
}
void lchown(std::string path, std::uint32_t uid, std::uint32_t gid) {
  wait_for(changing_owner<uv_fs_lchown>("lchown", std::move(path), {uid, gid}));
}
void lchown(std::string path, std::uint32_t uid, std::uint32_t gid, Callback<void> done) {
  start(changing_owner<uv_fs_lchown>("lchown", std::move(path), {uid, gid}), std::move(done));
}
void utime(std::string path, FileTime accessed, FileTime modified) {
  wait_for(changing_times("utime", std::move(path), true, {accessed, modified}));
}
void utime(std::string path, FileTime accessed, FileTime modified, Callback<void> done) {
  start(changing_times("utime", std::move(path), true, {accessed, modified}), std::move(done));
}
void lutime(std::string path, FileTime accessed, FileTime modified) {
  wait_for(changing_times("lutime", std::move(path), false, {accessed, modified}));
}
void lutime(std::string path, FileTime accessed, FileTime modified, Callback<void> done) {
  start(changing_times("lutime", std::move(path), false, {accessed, modified}), std::move(done));
}

// --- names ---

void rename(std::string from, std::string to) {
  wait_for(calling<uv_fs_rename>("rename", std::move(from), std::move(to)));
}
void rename(std::string from, std::string to, Callback<void> done) {
  start(calling<uv_fs_rename>("rename", std::move(from), std::move(to)), std::move(done));
}
void link(std::string path, std::string link) {
  wait_for(calling<uv_fs_link>("link", std::move(path), std::move(link)));
}
void link(std::string path, std::string link, Callback<void> done) {
  start(calling<uv_fs_link>("link", std::move(path), std::move(link)), std::move(done));
}
void symlink(std::string target, std::string link) {
  wait_for(calling<uv_fs_symlink>("symlink", std::move(target), std::move(link), 0));
}
void symlink(std::string target, std::string link, Callback<void> done) {
  start(calling<uv_fs_symlink>("symlink", std::move(target), std::move(link), 0), std::move(done));
}
std::string readlink(std::string path) {
  return wait_for(resolving<uv_fs_readlink>("readlink", std::move(path)));
}
void readlink(std::string path, Callback<std::string> done) {
  start(resolving<uv_fs_readlink>("readlink", std::move(path)), std::move(done));
}
std::string realpath(std::string path) {
  return wait_for(resolving<uv_fs_realpath>("realpath", std::move(path)));
}
void realpath(std::string path, Callback<std::string> done) {
  start(resolving<uv_fs_realpath>("realpath", std::move(path)), std::move(done));
}
void unlink(std::string path) {
  wait_for(calling<uv_fs_unlink>("unlink", std::move(path)));
}
void unlink(std::string path, Callback<void> done) {
  start(calling<uv_fs_unlink>("unlink", std::move(path)), std::move(done));
}
void rmdir(std::string path) {
  wait_for(calling<uv_fs_rmdir>("rmdir", std::move(path)));
}
void rmdir(std::string path, Callback<void> done) {
  start(calling<uv_fs_rmdir>("rmdir", std::move(path)), std::move(done));
}

// --- contents ---

void copy_file(std::string from, std::string to, CopyFileOptions options) {
  wait_for(calling<uv_fs_copyfile>("copy_file", std::move(from), std::move(to), flags_of(options)));
}
void copy_file(std::string from, std::string to, CopyFileOptions options, Callback<void> done) {
  start(calling<uv_fs_copyfile>("copy_file", std::move(from), std::move(to), flags_of(options)),
        std::move(done));
}

}  // namespace weft::io
