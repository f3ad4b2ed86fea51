#include <algorithm>
#include <csignal>

#include <weft/ctx/error.h>
#include <weft/io/detail/exit_restore.h>
#include <weft/io/detail/signal_watch.h>
#include <weft/io/signal.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

constexpr FeedWords kSignalWords = {"wait", "on_signal", "listener"};

bool is_fault(int signal) noexcept {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

}  // namespace

SignalWatchPtr listen_signals(EventLoop& loop, std::span<const int> signals) {
  if (signals.empty()) throw UsageError("listen: no signal is given; name at least one");
  for (const int signal : signals) {
    if (!is_fault(signal)) continue;
    throw UsageError("listen " + io::signal_name(signal) +
                     ": a fault cannot wait for the loop; set a handler with sigaction(2)");
  }
  SignalWatchPtr leader(new SignalWatch(loop, signals.front(), nullptr));
  leader->start();
  for (const int signal : signals.subspan(1)) leader->add(signal);
  leader->kept_.reserve(leader->others_.size() + 1);
  return leader;
}

// libuv's own watch for children has made what a loop's signals need; so this cannot fail.
SignalWatch::SignalWatch(EventLoop& loop, int signal, SignalWatch* leader)
    : Feed(loop, "SIGNALWRAP", kSignalWords),
      signal_(signal),
      leader_(leader == nullptr ? this : leader) {
  const int code = uv_signal_init(loop.uv(), &handle_);
  if (code < 0) uv_check(code, "listen for " + io::signal_name(signal));
  set_data();
  set_referenced(false);
}

void SignalWatch::start() {
  const auto on_signal = [](uv_signal_t* handle, int) {
    auto& self = static_cast<SignalWatch&>(from(handle->data));
    self.leader_->heard(self);
  };
  const int code =
      loop().signals().hear(signal_, [&] { return uv_signal_start(&handle_, on_signal, signal_); });
  uv_check(code, code < 0 ? "listen " + io::signal_name(signal_) : std::string());
}

void SignalWatch::add(int signal) {
  if (has(signal)) return;
  SignalWatchPtr other(new SignalWatch(loop(), signal, this));
  other->start();
  others_.push_back(std::move(other));
}

bool SignalWatch::has(int signal) const noexcept {
  return signal == signal_ ||
         std::any_of(others_.begin(), others_.end(),
                     [signal](const SignalWatchPtr& other) { return other->signal_ == signal; });
}

void SignalWatch::heard(SignalWatch& by) {
  if (is_taken()) return tell(by.resource(), by.signal_);
  if (std::exchange(by.is_kept_, true)) return;
  kept_.push_back(&by);  // there is room for each of its numbers
}

SignalWatch::Kept SignalWatch::take_kept() {
  SignalWatch& first = *kept_.front();
  kept_.erase(kept_.begin());
  first.is_kept_ = false;
  return {first.resource(), first.signal_};
}

std::string SignalWatch::describe() const noexcept {
  return text_or_nothing([&] {
    std::string text = "wait for " + io::signal_name(signal_);
    for (const SignalWatchPtr& other : others_) text += ", " + io::signal_name(other->signal_);
    return text;
  });
}

// The leader's reference is enough: all of them live as long.
void SignalWatch::waits(bool begins) noexcept {
  if (keeps_alive_ == KeepsAlive::kWhileWaiting) set_referenced(begins);
}

void SignalWatch::keep_alive(bool always) noexcept {
  keeps_alive_ = always ? KeepsAlive::kAlways : KeepsAlive::kNever;
  set_referenced(always);
}

// libuv has gone back to the default action, which ends the process.
void SignalWatch::begin_close() noexcept {
  if (signal_ == SIGPIPE) ignore_broken_pipes();
  restore_at_default_signals();
  kept_.clear();
  others_.clear();
}

}  // namespace weft::detail
