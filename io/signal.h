// Signals: what the system or another process sends, as callbacks and as a wait.
//
//   int which = io::wait_signal({SIGTERM, SIGINT});  // a fiber waits; others serve on
//
//   auto reload = io::SignalListener::listen({SIGHUP});
//   reload.on_signal([&](int) { config = read_config(); });
//
// Any number of listeners hear one signal, on any number of loops, each in the context of
// its own calls; in Node all listeners of a signal share one, that of the first. While a
// listener of it is open a signal does not do what it does by default, ending the process
// mostly; once the last one is closed it does again.
//
// A signal that comes while nobody takes it waits for whoever does next. As in the kernel,
// several of one number that come before that may be one.
//
// SIGPIPE is ignored from the first run() on and goes back to that when its last listener
// is closed. RunOptions::stop_on_interrupt is the whole answer to SIGINT and SIGTERM, and
// a listener of those may not hear what stops the run; leave it off and listen to stop
// in an order of your own.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class SignalWatch;
}  // namespace detail

namespace io {

class SignalListener {
 public:
  // Listens for each of `signals`.
  //
  // Context: loop thread
  // Errors:  invalid_argument for a number that is no signal, SIGKILL and SIGSTOP; the
  //          text names it. UsageError for none, and for SIGSEGV, SIGBUS, SIGFPE and
  //          SIGILL, which a fault would raise again and again.
  // Source:  Node `process.on(signal)`; uv_signal_start.
  static SignalListener listen(std::initializer_list<int> signals,
                               const SourceLocation& at = SourceLocation::current());
  static SignalListener listen(std::span<const int> signals,
                               const SourceLocation& at = SourceLocation::current());

  SignalListener(SignalListener&&) noexcept;
  SignalListener& operator=(SignalListener&&) noexcept;
  ~SignalListener();

  // Waits for one of the signals; which it was.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, unless one has come since the last wait.
  // Errors:   operation_canceled (closed meanwhile); bad_file_descriptor (closed).
  //           UsageError for a second wait at a time, or together with on_signal().
  // Cancel:   nothing is lost: the next wait gets what comes.
  int wait();
  void wait(Callback<int> done);

  // Calls the handler with each signal that comes, also with those that nobody took.
  // Errors: UsageError while a wait is pending.
  void on_signal(UniqueFunction<void(int signal)> handler);
  // Called once the listener is closed; handlers are dropped after it.
  void on_close(UniqueFunction<void()> handler);

  // Starts closing: a pending wait ends with operation_canceled.
  void close();
  bool is_closing() const noexcept;
  // Context: fiber
  void wait_closed();

  // Whether the listener keeps the loop alive. At first, while somebody waits: a handler
  // does not, as in Node. ref(): while it is open. unref(): never, and a run in which
  // nothing else is left ends and cancels the fiber that waits; it is no Deadlock.
  void ref();
  void unref();
  // Of the first of its signals: each has a resource, of type SIGNALWRAP.
  AsyncId async_id() const;

 private:
  using Block = weft::detail::HandlePtr<weft::detail::SignalWatch>;
  explicit SignalListener(Block block) noexcept;
  weft::detail::SignalWatch& block(const char* what) const;

  Block block_;
};

// Listens, waits for one of the signals, and listens no more: a second one that comes
// behind it does what it does by default. Two Ctrl-C thus end a program that hangs.
//
// Context:  fiber
// Suspends: always.
// Errors:   as SignalListener::listen.
int wait_signal(std::initializer_list<int> signals,
                const SourceLocation& at = SourceLocation::current());

// "SIGTERM"; "signal 77" for a number without a name.
std::string signal_name(int signal);

}  // namespace io
}  // namespace weft
