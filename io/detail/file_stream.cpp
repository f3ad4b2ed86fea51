#include <cerrno>
#include <poll.h>
#include <unistd.h>

#include <weft/io/detail/file_stream.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// Calls again what a signal cut, or what has to wait: a device may say so.
template <typename Call>
ssize_t until_done(int fd, short events, Call call) noexcept {
  for (;;) {
    const ssize_t count = call();
    if (count >= 0) return count;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{fd, events, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return uv_translate_sys_error(errno);
    }
  }
}

}  // namespace

FileStream::FileStream(EventLoop& loop, Descriptor fd, std::string name)
    : Stream(loop, "FILEHANDLE"), fd_(std::move(fd)), name_(std::move(name)) {
  uv_must(uv_idle_init(loop.uv(), &turns_));
  set_data();
}

int FileStream::descriptor() {
  if (is_closing()) uv_check(UV_EBADF, "fd: the stream is closed");
  return fd_.get();
}

int FileStream::begin_reading() noexcept {
  return uv_idle_start(
      &turns_, [](uv_idle_t* turns) { static_cast<FileStream&>(from(turns->data)).read_chunk(); });
}

void FileStream::read_chunk() noexcept {
  const uv_buf_t buffer = room_to_read();
  if (buffer.len == 0) return arrived(UV_ENOBUFS, buffer);
  const ssize_t count =
      until_done(fd_.get(), POLLIN, [&] { return ::read(fd_.get(), buffer.base, buffer.len); });
  arrived(count == 0 ? static_cast<ssize_t>(UV_EOF) : count, buffer);
}

int FileStream::write_synchronously(std::span<uv_buf_t> pieces) noexcept {
  while (!pieces.empty()) {
    uv_buf_t& piece = pieces.front();
    if (piece.len == 0) {
      pieces = pieces.subspan(1);
      continue;
    }
    const ssize_t count =
        until_done(fd_.get(), POLLOUT, [&] { return ::write(fd_.get(), piece.base, piece.len); });
    if (count < 0) return static_cast<int>(count);
    piece.base += count;
    piece.len -= static_cast<std::size_t>(count);
  }
  return 0;
}

}  // namespace weft::detail
