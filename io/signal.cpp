#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include <weft/io/detail/owner.h>
#include <weft/io/detail/signal_watch.h>
#include <weft/io/signal.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;

namespace {

struct Named {
  int number;
  const char* name;
};

constexpr std::array kNames = {
    Named{SIGHUP, "SIGHUP"},       Named{SIGINT, "SIGINT"},   Named{SIGQUIT, "SIGQUIT"},
    Named{SIGILL, "SIGILL"},       Named{SIGTRAP, "SIGTRAP"}, Named{SIGABRT, "SIGABRT"},
    Named{SIGBUS, "SIGBUS"},       Named{SIGFPE, "SIGFPE"},   Named{SIGKILL, "SIGKILL"},
    Named{SIGUSR1, "SIGUSR1"},     Named{SIGSEGV, "SIGSEGV"}, Named{SIGUSR2, "SIGUSR2"},
    Named{SIGPIPE, "SIGPIPE"},     Named{SIGALRM, "SIGALRM"}, Named{SIGTERM, "SIGTERM"},
    Named{SIGCHLD, "SIGCHLD"},     Named{SIGCONT, "SIGCONT"}, Named{SIGSTOP, "SIGSTOP"},
    Named{SIGTSTP, "SIGTSTP"},     Named{SIGTTIN, "SIGTTIN"}, Named{SIGTTOU, "SIGTTOU"},
    Named{SIGURG, "SIGURG"},       Named{SIGXCPU, "SIGXCPU"}, Named{SIGXFSZ, "SIGXFSZ"},
    Named{SIGVTALRM, "SIGVTALRM"}, Named{SIGPROF, "SIGPROF"}, Named{SIGWINCH, "SIGWINCH"},
    Named{SIGIO, "SIGIO"},         Named{SIGSYS, "SIGSYS"},
};

}  // namespace

std::string signal_name(int signal) {
  const auto* const found =
      std::find_if(kNames.begin(), kNames.end(),
                   [signal](const Named& named) { return named.number == signal; });
  return found == kNames.end() ? "signal " + std::to_string(signal) : found->name;
}

SignalListener::SignalListener(Block block) noexcept : block_(std::move(block)) {}
SignalListener::SignalListener(SignalListener&&) noexcept = default;
SignalListener& SignalListener::operator=(SignalListener&&) noexcept = default;
SignalListener::~SignalListener() = default;

weft::detail::SignalWatch& SignalListener::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

SignalListener SignalListener::listen(std::span<const int> signals, const SourceLocation& at) {
  return SignalListener(weft::detail::made_at(
      at, weft::detail::listen_signals(EventLoop::current("listen"), signals)));
}
SignalListener SignalListener::listen(std::initializer_list<int> signals,
                                      const SourceLocation& at) {
  return listen(std::span(signals.begin(), signals.size()), at);
}

int SignalListener::wait() {
  auto& watch = block("wait");
  return await_leaf<int>(
      "wait for a signal", [&](Done<int> done) { return watch.next(done); },
      [&] { watch.cancel_next(); });
}
void SignalListener::wait(Callback<int> done) {
  auto& watch = block("wait");
  start_leaf(watch, std::move(done), [&](auto callback) { return watch.next(callback); });
}

void SignalListener::on_signal(UniqueFunction<void(int)> handler) {
  block("on_signal").on_next(std::move(handler));
}
void SignalListener::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}

void SignalListener::close() {
  if (block_ != nullptr) block("close").close();
}
bool SignalListener::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void SignalListener::wait_closed() {
  auto& watch = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return watch.closed(done); },
      [&] { watch.cancel_closed(); });
}

void SignalListener::ref() {
  block("ref").keep_alive(true);
}
void SignalListener::unref() {
  block("unref").keep_alive(false);
}
AsyncId SignalListener::async_id() const {
  return block("async_id").resource().async_id();
}

int wait_signal(std::initializer_list<int> signals, const SourceLocation& at) {
  return SignalListener::listen(signals, at).wait();
}

}  // namespace weft::io
