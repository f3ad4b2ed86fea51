// What this process changes in terminals and descriptors that it shares with others,
// and puts back when it ends: by exit(), or by a signal that nobody handles.
//
// The shell reads from the same terminal, and its pipes are the same open files, when
// the process is gone. Only what signal handlers may call is called in the end.
//
// Handlers are installed where the default would end the process, with the first
// change; a handler the program installs later takes their place. A forked child
// puts nothing back: it is not the one who changed it.
#pragma once

#include <termios.h>

#include <weft/io/detail/descriptor.h>

namespace weft::detail {

// A terminal whose settings are to be put back. It belongs to one thread.
class TerminalRestore {
 public:
  // Errors: std::system_error when `fd` is no terminal.
  explicit TerminalRestore(int fd);
  TerminalRestore(const TerminalRestore&) = delete;
  TerminalRestore& operator=(const TerminalRestore&) = delete;
  // Puts the settings back now.
  ~TerminalRestore();

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
