// HeardSignals: what a loop does for the signals it waits for, beside libuv.
//
// libuv's handlers would run on whatever stack is current. A fiber's may have no room for
// the frame the kernel makes, which is 2 to 11 KiB with the vector registers; then the
// signal is lost and the process ends. So they run on the thread's alternate stack
// (OverflowWatch has one). And a mask that was inherited from who started the program
// would keep a signal away for ever: it is opened, on the loop's thread, for the run.
#pragma once

#include <csignal>

namespace weft::detail {

// A loop's; begins and ends on its thread.
class HeardSignals {
 public:
  HeardSignals() noexcept { sigemptyset(&opened_); }
  HeardSignals(const HeardSignals&) = delete;
  HeardSignals& operator=(const HeardSignals&) = delete;
  // What was blocked is so again.
  ~HeardSignals();

  // Calls `start`, by which libuv sets a handler for `signal`, and returns its code. None
  // comes before the handler is as it should be.
  template <typename F>
  int hear(int signal, F&& start) {
    const bool was_blocked = block(signal);
    const int code = start();
    handle_on_alternate_stack(signal);
    open(signal, was_blocked);
    return code;
  }

 private:
  static bool block(int signal) noexcept;
  static void handle_on_alternate_stack(int signal) noexcept;
  void open(int signal, bool was_blocked) noexcept;

  sigset_t opened_;  // those that were blocked
};

}  // namespace weft::detail
