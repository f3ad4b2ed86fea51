#include <weft/io/detail/file_block.h>

namespace weft::detail {

int FileBlock::close_now() noexcept {
  uv_fs_t request;
  return uv_fs_close(nullptr, &request, fd_, nullptr);
}

FileBirth FileBirth::of(const char* what, std::string path) {
  return {FilePtr(new FileBlock(FsPath::checked(what, std::move(path)).path))};
}

std::int64_t FileBirth::born(std::int64_t fd, std::optional<io::File>& file) noexcept {
  if (fd < 0) return fd;
  block->set_fd(static_cast<int>(fd));
  file.emplace(FileAccess::make(std::move(block)));
  return 0;
}

}  // namespace weft::detail
