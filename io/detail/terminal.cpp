#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <weft/io/detail/terminal.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

// libuv opens a terminal anew, in order not to change whether the others who share it
// block, and puts the new one in place of the descriptor: so it gets a duplicate. Where
// it cannot (the master of a pseudoterminal), it keeps what it gets, and writes block.
Terminal::Terminal(EventLoop& loop, Descriptor copy, std::string name)
    : Stream(loop, "TTYWRAP", reinterpret_cast<uv_stream_t*>(&handle_), {}),
      name_(std::move(name)) {
  // What has hung up meanwhile is no terminal for libuv, which makes no handle then.
  const int code = uv_tty_init(loop.uv(), &handle_, copy.get(), 0);
  if (code < 0) uv_check(code == UV_EINVAL ? UV_ENOTTY : code, "open " + name_);
  set_data();
  if (descriptor() == copy.get()) static_cast<void>(copy.release());
}

Result<void> Terminal::set_mode(uv_tty_mode_t mode) {
  if (mode != UV_TTY_MODE_NORMAL && !restore_) restore_.emplace(descriptor());
  const int code = uv_tty_set_mode(&handle_, mode);
  if (code < 0) return uv_error(code, describe("set_mode"));
  if (mode == UV_TTY_MODE_NORMAL) restore_.reset();
  return {};
}

TerminalPtr open_terminal(EventLoop& loop, int fd, const std::string& name) {
  if (::isatty(fd) == 0) uv_check(uv_translate_sys_error(errno), "open " + name);
  Descriptor copy(must_succeed(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "open " + name));
  return TerminalPtr(new Terminal(loop, std::move(copy), name));
}

}  // namespace weft::detail
