// What this process changes in terminals and descriptors that it shares with others,
// and puts back when it ends: by exit(), or by a signal that nobody handles.
//
// The shell reads from the same terminal, and its pipes are the same open files, when
// the process is gone. Only what signal handlers may call is called in the end.
//
// Handlers are installed where the default would end the process, with the first
// change; a handler the program installs later takes their place. A forked child
// puts nothing back: it is not the one who changed it. Nor does a process in the
// background: the terminal is somebody else's then, who has set it.
#pragma once

#include <termios.h>

#include <weft/io/detail/descriptor.h>

namespace weft::detail {

// Sets the terminal now; in the background does nothing, and is not stopped. Signal
// handlers may call it.
// Returns 0 or an error of libuv's.
int put_back(int fd, const termios& settings) noexcept;
// Sets it once what was written is out, and this process is in the foreground.
// Returns 0 or an error of libuv's.
int change_terminal(int fd, const termios& settings) noexcept;

// A terminal whose settings are to be put back. It belongs to one thread.
class TerminalRestore {
 public:
  // Errors: std::system_error when `fd` is no terminal.
  explicit TerminalRestore(int fd);
  TerminalRestore(const TerminalRestore&) = delete;
  TerminalRestore& operator=(const TerminalRestore&) = delete;
  // Puts the settings back now.
  ~TerminalRestore();

  const termios& original() const noexcept { return original_; }

 private:
  int slot_;  // -1: too many terminals at once, put back by the destructor only
  Descriptor fd_;
  termios original_;
};

// For where the default action of a signal has come back: what there is to put back is
// put back at that signal, too.
void restore_at_default_signals() noexcept;

// At the end the descriptor blocks again, if it does now. For 0, 1 and 2.
void restore_blocking_at_exit(int fd);

}  // namespace weft::detail
