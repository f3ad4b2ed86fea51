#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/terminal.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

bool has_all(const termios& settings, tcflag_t flags) noexcept {
  return (settings.c_lflag & flags) == flags;
}

// As libuv has them, with the rest of `from`.
termios settings_of(io::TtyMode mode, termios from) noexcept {
  switch (mode) {
    case io::TtyMode::kNormal:
      from.c_iflag &= ~static_cast<tcflag_t>(INLCR | IGNCR);
      from.c_iflag |= ICRNL | IXON;
      from.c_oflag |= OPOST | ONLCR;
      from.c_lflag |= ICANON | ECHO | ECHOE | ECHOK | IEXTEN | ISIG;
      break;
    case io::TtyMode::kRaw:
      from.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
      from.c_oflag |= OPOST | ONLCR;
      from.c_cflag |= CS8;
      from.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
      from.c_cc[VMIN] = 1;
      from.c_cc[VTIME] = 0;
      break;
    case io::TtyMode::kIo:
      ::cfmakeraw(&from);
      break;
  }
  return from;
}

}  // namespace

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
  uv_os_fd_t opened = -1;
  if (uv_fileno(raw(), &opened) == 0 && opened == copy.get()) static_cast<void>(copy.release());
}

// Not uv_tty_set_mode(), which does nothing when the mode is the one it set last: another
// program may have set the terminal meanwhile.
Result<void> Terminal::set_mode(io::TtyMode mode) {
  if (mode == io::TtyMode::kNormal) return set_normal();
  if (!restore_) restore_.emplace(descriptor());
  const int code = change_terminal(descriptor(), settings_of(mode, restore_->original()));
  if (code < 0) return uv_error(code, describe("set_mode"));
  return {};
}

// The settings it had, where lines were edited. What another program has left, which was
// never ours, becomes normal.
Result<void> Terminal::set_normal() {
  termios settings;
  if (restore_) {
    settings = restore_->original();
  } else if (::tcgetattr(descriptor(), &settings) != 0) {
    return uv_error(uv_translate_sys_error(errno), describe("set_mode"));
  }
  const bool is_normal = has_all(settings, restore_ ? ICANON : ICANON | ECHO | ISIG);
  if (!is_normal) settings = settings_of(io::TtyMode::kNormal, settings);
  if (const int code = put_back(descriptor(), settings); code < 0) {
    return uv_error(code, describe("set_mode"));
  }
  if (is_normal) restore_.reset();
  return {};
}

// A terminal gives a part of what there is for each read(2), and libuv before 1.52 takes a
// short one for the last when the other side has hung up. Of that the master of a
// pseudoterminal is told by EIO, when all is read.
int Terminal::true_end(int code) noexcept {
  uv_os_fd_t fd = -1;
  int number = 0;
  if (uv_fileno(raw(), &fd) < 0 || ::ioctl(fd, TIOCGPTN, &number) != 0) return code;
  pollfd ready{fd, POLLIN, 0};
  if (::poll(&ready, 1, 0) < 0) return code;
  const bool has_hung_up = (ready.revents & POLLHUP) != 0;
  if (code == UV_EIO && has_hung_up) return UV_EOF;
  const bool has_more = (ready.revents & POLLIN) != 0 || !has_hung_up;
  return code == UV_EOF && has_more ? 0 : code;
}

TerminalPtr open_terminal(EventLoop& loop, int fd, const std::string& name) {
  if (::isatty(fd) == 0) uv_check(uv_translate_sys_error(errno), "open " + name);
  Descriptor copy(must_succeed(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "open ", name));
  TerminalPtr terminal(new Terminal(loop, std::move(copy), name));
  const int code = add_to_poll_set(reinterpret_cast<uv_handle_t*>(terminal->tty()));
  if (code < 0) uv_check(code, "open " + name);
  return terminal;
}

}  // namespace weft::detail
