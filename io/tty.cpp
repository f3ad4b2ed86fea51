#include <unistd.h>

#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/terminal.h>
#include <weft/io/tty.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {

using weft::detail::EventLoop;
using weft::detail::StreamAccess;
using weft::detail::Terminal;

bool is_tty(int fd) noexcept {
  return ::isatty(fd) != 0;
}

Terminal& Tty::terminal(const char* what) const {
  return weft::detail::block_as<Terminal>(StreamAccess::block(*this, what), what, "terminal");
}

Tty Tty::open(int fd, const SourceLocation& at) {
  return StreamAccess::make<Tty>(weft::detail::made_at(
      at, weft::detail::open_terminal(EventLoop::current("open"), fd, "fd " + std::to_string(fd))));
}

void Tty::set_mode(TtyMode mode) {
  auto& tty = terminal("set_mode");
  if (tty.is_closing()) weft::detail::uv_check(UV_EBADF, tty.describe("set_mode"));
  tty.set_mode(mode).value();
}

WindowSize Tty::window_size() const {
  auto& tty = terminal("window_size");
  WindowSize size{};
  const int code =
      tty.is_closing() ? UV_EBADF : uv_tty_get_winsize(tty.tty(), &size.columns, &size.rows);
  weft::detail::uv_check(code, tty.describe("window_size"));
  return size;
}

}  // namespace weft::io
