// Directories as a whole: several calls of libuv's each, in one work.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/io/detail/file_block.h>
#include <weft/io/detail/file_stat.h>
#include <weft/io/detail/fs_request.h>
#include <weft/io/detail/remove_tree.h>
#include <weft/io/fs.h>

namespace weft::io {

using weft::detail::FileBirth;
using weft::detail::FsPath;
using weft::detail::FsThread;
using weft::detail::on_path;
using weft::detail::start;
using weft::detail::wait_for;

namespace {

// The directory above; empty when there is none to make.
std::string parent_of(const std::string& path) {
  const std::size_t name_end = path.find_last_not_of('/');
  const std::size_t name = path.find_last_of('/', name_end);
  if (name == std::string::npos || name_end == std::string::npos) return {};
  const std::size_t end = path.find_last_not_of('/', name);
  return end == std::string::npos ? std::string() : path.substr(0, end + 1);
}

// From the last name upwards, until one can be made: those above may be out of reach.
std::int64_t make_all(FsThread& thread, const std::string& path, int mode) {
  const std::int64_t code = thread.call(uv_fs_mkdir, path.c_str(), mode);
  if (code != UV_ENOENT) return code;
  const std::string parent = parent_of(path);
  if (parent.empty()) return code;
  const std::int64_t above = make_all(thread, parent, mode);
  if (above < 0 && above != UV_EEXIST) return above;
  return thread.call(uv_fs_mkdir, path.c_str(), mode);
}

std::int64_t make_directory(FsThread& thread, const std::string& path, MkdirOptions options) {
  const int mode = static_cast<int>(options.mode);
  if (!options.parents) return thread.call(uv_fs_mkdir, path.c_str(), mode);
  const std::int64_t code = make_all(thread, path, mode);
  if (code != UV_EEXIST) return code;
  const bool is_known = thread.call(uv_fs_stat, path.c_str()) == 0;
  const auto kind = weft::detail::to_file_kind(thread.request().statbuf.st_mode);
  return is_known && kind == FileKind::kDirectory ? 0 : code;
}

auto making(std::string path, MkdirOptions options) {
  return on_path<void>("mkdir", std::move(path), [options](FsThread& thread, const FsPath& at) {
    return make_directory(thread, at.path, options);
  });
}

auto removing_all(std::string path) {
  return on_path<std::size_t>("remove_all", std::move(path), [](FsThread&, const FsPath& at) {
    return weft::detail::remove_tree(at.path);
  });
}

auto listing(std::string path) {
  using Entries = std::vector<DirectoryEntry>;
  return on_path<Entries>(
      "read_directory", std::move(path),
      [](FsThread& thread, const FsPath& at, std::optional<Entries>& entries) {
        const std::int64_t count = thread.call(uv_fs_scandir, at.path.c_str(), 0);
        if (count < 0) return count;
        entries.emplace().reserve(static_cast<std::size_t>(count));
        for (uv_dirent_t entry; uv_fs_scandir_next(&thread.request(), &entry) == 0;) {
          entries->push_back({entry.name, weft::detail::to_file_kind(entry.type)});
        }
        return count;
      });
}

// What mkdtemp(3) and mkstemp(3) make a name of: they put theirs for the six letters.
std::string name_template(std::string prefix) {
  prefix.append(6, 'X');
  return prefix;
}

auto making_temporary_directory(std::string prefix) {
  return on_path<std::string>(
      "mkdtemp", name_template(std::move(prefix)),
      [](FsThread& thread, const FsPath& at, std::optional<std::string>& path) {
        const std::int64_t code = thread.call(uv_fs_mkdtemp, at.path.c_str());
        if (code == 0) path = thread.request().path;
        return code;
      });
}

// What can fail for want of memory comes before there is a file.
auto making_temporary_file(std::string prefix) {
  return weft::detail::fs_operation<TemporaryFile>(
      "mkstemp", FileBirth::of("mkstemp", name_template(std::move(prefix))),
      [](FsThread& thread, FileBirth& birth, std::optional<TemporaryFile>& made) {
        std::string path = birth.text();
        const std::int64_t fd = thread.call(uv_fs_mkstemp, path.c_str());
        if (fd < 0) return fd;
        path.assign(thread.request().path);  // as long as it was
        birth.block->set_name(path);
        std::optional<File> file;
        birth.born(fd, file);
        made.emplace(TemporaryFile{*std::move(file), std::move(path)});
        return std::int64_t{0};
      });
}

}  // namespace

void mkdir(std::string path, MkdirOptions options) {
  wait_for(making(std::move(path), options));
}
void mkdir(std::string path, MkdirOptions options, Callback<void> done) {
  start(making(std::move(path), options), std::move(done));
}
std::size_t remove_all(std::string path) {
  return wait_for(removing_all(std::move(path)));
}
void remove_all(std::string path, Callback<std::size_t> done) {
  start(removing_all(std::move(path)), std::move(done));
}
std::vector<DirectoryEntry> read_directory(std::string path) {
  return wait_for(listing(std::move(path)));
}
void read_directory(std::string path, Callback<std::vector<DirectoryEntry>> done) {
  start(listing(std::move(path)), std::move(done));
}
std::string mkdtemp(std::string prefix) {
  return wait_for(making_temporary_directory(std::move(prefix)));
}
void mkdtemp(std::string prefix, Callback<std::string> done) {
  start(making_temporary_directory(std::move(prefix)), std::move(done));
}
TemporaryFile mkstemp(std::string prefix) {
  return wait_for(making_temporary_file(std::move(prefix)));
}
void mkstemp(std::string prefix, Callback<TemporaryFile> done) {
  start(making_temporary_file(std::move(prefix)), std::move(done));
}

}  // namespace weft::io
