// FileBlock: a descriptor, its uses and its close; and what operations on it share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <weft/io/detail/fs_block.h>
#include <weft/io/detail/fs_request.h>
#include <weft/io/file.h>

namespace weft::detail {

class FileBlock final : public FsBlock {
 public:
  using FsBlock::FsBlock;

  void set_fd(int fd) noexcept {
    fd_ = fd;
    set_open();
  }
  // -1: it is not open.
  int fd() const noexcept { return is_open() ? fd_ : -1; }
  int release() noexcept {
    forget();
    return fd_;
  }

 private:
  int close_now() noexcept override;

  int fd_ = -1;
};

using FilePtr = FsPtr<FileBlock>;

struct FileAccess {
  static io::File make(FilePtr block) noexcept { return io::File(std::move(block)); }
  static FileBlock& block(const io::File& file, const char* what) { return file.block(what); }
};

// A file as the subject of an operation. One that is closed has no descriptor: the call
// finds that out.
struct FilePass : FsPass {
  FilePass(FileBlock& block, const char* what)
      : FsPass(block, what), fd(is_use() ? block.fd() : -1) {}

  int fd;
};

// A file that is being opened, as a subject. The block is there before the descriptor,
// which so cannot be lost for want of memory.
struct FileBirth {
  static constexpr bool kOwnsAll = true;

  FilePtr block;

  static FileBirth of(const char* what, std::string path);
  const std::string& text() const noexcept { return block->name(); }
  void let_go() const noexcept {}
  // On the pool's thread: makes the file of the descriptor, unless that is an error.
  std::int64_t born(std::int64_t fd, std::optional<io::File>& file) noexcept;
};

}  // namespace weft::detail
