// Terminals: streams that have a size and may be raw.
//
//   auto terminal = io::Tty::open(STDIN_FILENO);
//   terminal.set_mode(io::TtyMode::kRaw);  // each key at once, no echo
//   terminal.read(key);
//
// What a terminal does as every stream is in stream.h. The settings it had are put back
// when the stream is closed, and when the process ends by exit() or by a signal that
// nobody handles (SIGKILL excepted): the shell goes on with the same terminal. A process
// in the background puts nothing back: the terminal has another user, who has set it.
//
// The master of a pseudoterminal is read to its end: what was written before the last of
// its terminal's users has closed it, then 0.
#pragma once

#include <weft/io/stream.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class Terminal;
}  // namespace detail

namespace io {

// Whether the descriptor is a terminal's. Node `tty.isatty(fd)`.
bool is_tty(int fd) noexcept;

enum class TtyMode {
  kNormal,  // lines, edited and echoed by the kernel; Ctrl-C is a signal
  kRaw,     // each key as it comes, not echoed; "\n" is still written as "\r\n"
  kIo,      // every byte as it is, both ways
};

struct WindowSize {
  int columns;
  int rows;
};

class Tty : public Stream {
 public:
  // A stream of the terminal that `fd` is of, which stays the caller's.
  //
  // Context: loop thread
  // Errors:  inappropriate_io_control_operation: no terminal; bad_file_descriptor.
  // Source:  uv_tty_init, which opens the terminal anew: that others share it does not
  //          block them nor this.
  static Tty open(int fd, const SourceLocation& at = SourceLocation::current());

  // Sets the terminal, whatever another program has made of it meanwhile. kNormal puts
  // back the settings from before the first other mode; a terminal that this stream left
  // alone becomes one of lines.
  //
  // Errors: io_error: the terminal is gone.
  // Source: Node `tty.setRawMode(on)`; unlike uv_tty_set_mode, which only remembers.
  void set_mode(TtyMode mode);

  // The size; SIGWINCH tells when it changes.
  // Errors: io_error: the terminal is gone.
  // Source: Node `tty.getWindowSize()`.
  WindowSize window_size() const;

 private:
  friend struct weft::detail::StreamAccess;
  using Stream::Stream;
  weft::detail::Terminal& terminal(const char* what) const;
};

}  // namespace io
}  // namespace weft
