// A tree may be deeper than the process has descriptors or a path has characters, and
// others may change it meanwhile. So one directory is open at a time, all names are
// looked up in it, a symlink is never followed, and ".." is taken only for the directory
// it was: a directory that was moved away would lead elsewhere.
//
// A descriptor for each level, as std::filesystem::remove_all has it, would take those of
// a server's connections.
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <uv.h>

#include <weft/io/detail/descriptor.h>
#include <weft/io/detail/remove_tree.h>

namespace weft::detail {
namespace {

std::int64_t last_error() noexcept {
  return uv_translate_sys_error(errno);
}

Descriptor open_directory(int at, const char* name) noexcept {
  return Descriptor(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// That of a symlink or a file, where a directory was to be opened.
bool is_no_directory(int error) noexcept {
  return error == ENOTDIR || error == ELOOP;
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

// A directory on the way to the one that is open.
struct Level {
  std::string name;  // in the one above
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> directories = {};  // in it, to be removed yet
};

class TreeRemoval {
 public:
  explicit TreeRemoval(Descriptor top) noexcept : here_(std::move(top)) {}

  // Removes what is in the directory.
  // Returns 0 or an error of libuv's.
  std::int64_t run() {
    std::int64_t code = enter({});
    while (code == 0) {
      std::vector<std::string>& left = levels_.back().directories;
      if (left.empty()) {
        if (levels_.size() == 1) return 0;
        code = leave();
      } else {
        std::string name = std::move(left.back());
        left.pop_back();
        code = descend(std::move(name));
      }
    }
    return code;
  }
  std::int64_t removed() const noexcept { return removed_; }

 private:
  // Removes what is no directory in the one that is open, and notes what is.
  std::int64_t enter(std::string name) {
    struct stat found;
    if (::fstat(here_.get(), &found) != 0) return last_error();
    Level& level = levels_.emplace_back(Level{std::move(name), found.st_dev, found.st_ino});
    Descriptor copy(::fcntl(here_.get(), F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) return last_error();
    const std::unique_ptr<DIR, CloseDirectory> entries(::fdopendir(copy.get()));
    if (entries == nullptr) return last_error();
    static_cast<void>(copy.release());
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(entries.get());
      if (entry == nullptr) return errno == 0 ? 0 : last_error();
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      if (is_directory(*entry) || (!remove(entry->d_name, 0) && errno == EISDIR)) {
        level.directories.emplace_back(entry->d_name);
      } else if (errno != 0) {
        return last_error();
      }
    }
  }

  bool is_directory(const dirent& entry) const noexcept {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat found;
    return ::fstatat(here_.get(), entry.d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(found.st_mode);
  }

  // Whether it is gone; `errno` is 0 then. Somebody else may have removed it.
  bool remove(const char* name, int flags) noexcept {
    const bool is_removed = ::unlinkat(here_.get(), name, flags) == 0;
    if (is_removed) ++removed_;
    if (is_removed || errno == ENOENT) errno = 0;
    return errno == 0;
  }

  std::int64_t descend(std::string name) {
    Descriptor below = open_directory(here_.get(), name.c_str());
    if (below.get() >= 0) {
      here_ = std::move(below);
      return enter(std::move(name));
    }
    if (errno == ENOENT) return 0;
    if (is_no_directory(errno)) return remove(name.c_str(), 0) ? 0 : last_error();
    // One that may not be read may be empty.
    const int why = errno;
    return remove(name.c_str(), AT_REMOVEDIR) ? 0 : uv_translate_sys_error(why);
  }

  std::int64_t leave() {
    const std::string name = std::move(levels_.back().name);
    levels_.pop_back();
    Descriptor above = open_directory(here_.get(), "..");
    struct stat found;
    if (above.get() < 0 || ::fstat(above.get(), &found) != 0) return last_error();
    const Level& level = levels_.back();
    if (found.st_dev != level.device || found.st_ino != level.inode) return UV_ENOENT;
    here_ = std::move(above);
    return remove(name.c_str(), AT_REMOVEDIR) ? 0 : last_error();
  }

  Descriptor here_;            // of the last level
  std::vector<Level> levels_;  // from the top
  std::int64_t removed_ = 0;
};

// What could not be opened as a directory, for the reason in `errno`.
std::int64_t remove_no_tree(const std::string& name, bool must_be_directory) noexcept {
  if (errno == EACCES) return ::rmdir(name.c_str()) == 0 ? 1 : std::int64_t{UV_EACCES};
  if (is_no_directory(errno)) {
    if (must_be_directory) return UV_ENOTDIR;
    if (::unlink(name.c_str()) == 0) return 1;
  }
  return errno == ENOENT || errno == ENOTDIR ? 0 : last_error();
}

}  // namespace

std::int64_t remove_tree(const std::string& path) {
  // A slash behind the name would follow a symlink.
  const std::size_t last = path.find_last_not_of('/');
  const std::string name = last == std::string::npos ? path : path.substr(0, last + 1);
  Descriptor top = open_directory(AT_FDCWD, name.c_str());
  if (top.get() < 0) return remove_no_tree(name, name.size() < path.size());
  TreeRemoval removal(std::move(top));
  if (const std::int64_t code = removal.run(); code != 0) return code;
  if (::rmdir(name.c_str()) == 0) return removal.removed() + 1;
  return errno == ENOENT ? removal.removed() : last_error();
}

}  // namespace weft::detail
