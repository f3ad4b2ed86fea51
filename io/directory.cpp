#include <array>
#include <optional>
#include <span>
#include <utility>

#include <weft/io/detail/file_stat.h>
#include <weft/io/detail/fs_block.h>
#include <weft/io/detail/fs_request.h>
#include <weft/io/detail/owner.h>
#include <weft/io/directory.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {

using Entries = std::vector<io::DirectoryEntry>;

class DirectoryBlock final : public FsBlock {
 public:
  using FsBlock::FsBlock;

  void set_directory(uv_dir_t* directory) noexcept {
    directory_ = directory;
    directory_->dirents = found_.data();
    directory_->nentries = found_.size();
    set_open();
  }
  // As in Node, the life of the handle begins before the callback, in no context.
  void begin_life() { handle_.emplace("DIRHANDLE"); }

  void begin_read() {
    if (is_reading_) throw UsageError("read: another read is pending; one at a time");
    is_reading_ = true;
  }
  void end_read() noexcept { is_reading_ = false; }
  // On the pool's thread, of an open directory.
  std::int64_t read(FsThread& thread, Entries& entries) {
    const std::int64_t count = thread.call(uv_fs_readdir, directory_);
    for (std::int64_t i = 0; i < count; ++i) {
      const uv_dirent_t& entry = found_[static_cast<std::size_t>(i)];
      entries.push_back({entry.name, to_file_kind(entry.type)});
    }
    return count;
  }

  // What next() has read ahead; the first `taken` are gone.
  Entries ahead;
  std::size_t taken = 0;

 private:
  static constexpr std::size_t kReadMax = 64;

  int close_now() noexcept override {
    uv_fs_t request;
    return uv_fs_closedir(nullptr, &request, directory_, nullptr);
  }
  void was_closed() noexcept override { handle_.reset(); }

  uv_dir_t* directory_ = nullptr;
  std::array<uv_dirent_t, kReadMax> found_;  // filled by libuv, which also empties it
  std::optional<AsyncResource> handle_;
  bool is_reading_ = false;
};

struct DirectoryAccess {
  static io::Directory make(FsPtr<DirectoryBlock> block) noexcept {
    return io::Directory(std::move(block));
  }
};

namespace {

// A directory that is being opened, as a subject.
struct DirectoryBirth {
  static constexpr bool kOwnsAll = true;

  FsPtr<DirectoryBlock> block;
  DirectoryBlock* opened = nullptr;  // whose owner is on its way to the caller

  const std::string& text() const noexcept { return block->name(); }
  void let_go() {
    if (opened != nullptr) opened->begin_life();
  }
};

auto opening(std::string path) {
  return fs_operation<io::Directory>(
      "opendir",
      DirectoryBirth{FsPtr<DirectoryBlock>(
          new DirectoryBlock(FsPath::checked("opendir", std::move(path)).path))},
      [](FsThread& thread, DirectoryBirth& birth, std::optional<io::Directory>& directory) {
        weft::detail::open_standard_descriptors();
        const std::int64_t code = thread.call(uv_fs_opendir, birth.text().c_str());
        if (code < 0) return code;
        birth.opened = birth.block.get();
        birth.opened->set_directory(static_cast<uv_dir_t*>(thread.request().ptr));
        directory.emplace(DirectoryAccess::make(std::move(birth.block)));
        return code;
      });
}

// The one read of a directory, as a subject.
class DirectoryPass {
 public:
  static constexpr bool kOwnsAll = false;

  explicit DirectoryPass(DirectoryBlock& directory)
      : pass_(directory, "readdir"), directory_(&directory) {
    directory.begin_read();
  }
  DirectoryPass(DirectoryPass&& other) noexcept
      : pass_(std::move(other.pass_)), directory_(std::exchange(other.directory_, nullptr)) {}
  DirectoryPass& operator=(DirectoryPass&&) = delete;
  ~DirectoryPass() { let_go(); }

  const std::string& text() const noexcept { return pass_.text(); }
  void let_go() noexcept {
    if (directory_ != nullptr) std::exchange(directory_, nullptr)->end_read();
    pass_.let_go();
  }
  DirectoryBlock* open_directory() const noexcept { return pass_.is_use() ? directory_ : nullptr; }

 private:
  FsPass pass_;
  DirectoryBlock* directory_ = nullptr;
};

auto reading(DirectoryBlock& directory) {
  return fs_operation<Entries>(
      "readdir", DirectoryPass(directory),
      [](FsThread& thread, DirectoryPass& pass, std::optional<Entries>& entries) -> std::int64_t {
        DirectoryBlock* const open = pass.open_directory();
        if (open == nullptr) return UV_EBADF;
        return open->read(thread, entries.emplace());
      });
}

}  // namespace
}  // namespace weft::detail

namespace weft::io {

Directory::Directory(Block block) noexcept : block_(std::move(block)) {}
Directory::Directory(Directory&&) noexcept = default;
Directory& Directory::operator=(Directory&&) noexcept = default;
Directory::~Directory() = default;

weft::detail::DirectoryBlock& Directory::block(const char* what) const {
  if (block_ == nullptr) weft::detail::raise_moved_from(what);
  return *block_;
}

Directory Directory::open(std::string path) {
  return weft::detail::wait_for(weft::detail::opening(std::move(path)));
}
void Directory::open(std::string path, Callback<Directory> done) {
  weft::detail::start(weft::detail::opening(std::move(path)), std::move(done));
}
std::vector<DirectoryEntry> Directory::read() {
  return weft::detail::wait_for(weft::detail::reading(block("readdir")));
}
void Directory::read(Callback<std::vector<DirectoryEntry>> done) {
  weft::detail::start(weft::detail::reading(block("readdir")), std::move(done));
}

std::optional<DirectoryEntry> Directory::next() {
  auto& directory = block("readdir");
  if (directory.taken == directory.ahead.size()) {
    auto entries = read();
    directory.ahead = std::move(entries);
    directory.taken = 0;
  }
  if (directory.ahead.empty()) return std::nullopt;
  return std::move(directory.ahead[directory.taken++]);
}

void Directory::close() {
  weft::detail::wait_closed(block("close"));
}
void Directory::close(Callback<void> done) {
  weft::detail::start_close(block("close"), std::move(done));
}
bool Directory::is_open() const noexcept {
  return block_ != nullptr && block_->is_open();
}

}  // namespace weft::io
