#include <algorithm>

#include <weft/io/detail/uv_buffers.h>

namespace weft::detail {

void UvBuffers::advance(std::size_t bytes) noexcept {
  while (bytes > 0) {
    uv_buf_t& piece = is_one_ ? one_ : many_[first_];
    const std::size_t done = std::min<std::size_t>(bytes, piece.len);
    piece.base += done;
    piece.len -= done;
    bytes -= done;
    if (piece.len == 0 && !is_one_) ++first_;
  }
}

std::int64_t read_some(FsThread& thread, int fd, const UvBuffers& buffers, std::int64_t offset) {
  const auto left = buffers.left();
  for (;;) {  // libuv tries again for every call but this one
    const auto count =
        thread.call(uv_fs_read, fd, left.data(), static_cast<unsigned>(left.size()), offset);
    if (count != UV_EINTR) return count;
  }
}

std::int64_t write_all(FsThread& thread, int fd, UvBuffers& buffers, std::int64_t offset) {
  for (std::size_t rest = buffers.bytes();;) {
    const auto left = buffers.left();
    if (left.empty()) return 0;
    const std::int64_t written =
        thread.call(uv_fs_write, fd, left.data(), static_cast<unsigned>(left.size()), offset);
    if (written < 0) return written;
    rest -= static_cast<std::size_t>(written);
    if (rest == 0) return 0;
    if (thread.is_given_up()) return UV_ECANCELED;
    if (written == 0) return UV_EIO;  // some devices take nothing, and say no error
    buffers.advance(static_cast<std::size_t>(written));
    if (offset >= 0) offset += written;
  }
}

}  // namespace weft::detail
