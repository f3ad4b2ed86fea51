#include <algorithm>
#include <csignal>

#include <weft/ctx/error.h>
#include <weft/io/detail/signal_watch.h>
#include <weft/io/signal.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

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
  leader->pending_.reserve(leader->others_.size() + 1);
  return leader;
}

// libuv's own watch for children has made what a loop's signals need; so this cannot fail.
SignalWatch::SignalWatch(EventLoop& loop, int signal, SignalWatch* leader)
    : Handle(loop, "SIGNALWRAP"), signal_(signal), leader_(leader == nullptr ? this : leader) {
  uv_must(uv_signal_init(loop.uv(), &handle_));
  set_data();
  set_referenced(false);
}

void SignalWatch::start() {
  const auto on_signal = [](uv_signal_t* handle, int) {
    auto& self = static_cast<SignalWatch&>(from(handle->data));
    self.leader_->heard(self);
  };
  uv_check(uv_signal_start(&handle_, on_signal, signal_), "listen " + io::signal_name(signal_));
}

void SignalWatch::add(int signal) {
  if (has(signal)) return;
  others_.emplace_back(new SignalWatch(loop(), signal, this));
  others_.back()->start();
}

bool SignalWatch::has(int signal) const noexcept {
  return signal == signal_ ||
         std::any_of(others_.begin(), others_.end(),
                     [signal](const SignalWatchPtr& other) { return other->signal_ == signal; });
}

void SignalWatch::heard(SignalWatch& by) {
  if (wait_) return finish_wait(by.resource(), by.signal_);
  if (signal_handler_ && pending_.empty()) {
    return signal_handler_.call(loop(), by.resource(), by.signal_);
  }
  if (std::exchange(by.is_pending_, true)) return;
  pending_.push_back(&by);  // there is room for each of its numbers
}

std::optional<Result<int>> SignalWatch::wait(Done<int> done) {
  require_callback(done, "wait");
  if (is_closing()) return Result<int>(uv_error(UV_EBADF, "wait: the listener is closed"));
  if (wait_) throw UsageError("wait: another wait for a signal is pending; one at a time");
  if (signal_handler_) {
    throw UsageError("wait: on_signal() takes what comes; use one of the two");
  }
  if (!pending_.empty()) {
    SignalWatch& first = *pending_.front();
    pending_.erase(pending_.begin());
    first.is_pending_ = false;
    return Result<int>(first.signal_);
  }
  wait_.take(done);
  update_reference();
  return std::nullopt;
}

void SignalWatch::cancel_wait() {
  finish_wait(resource(), uv_error(UV_ECANCELED, "wait " + io::signal_name(signal_)));
}

void SignalWatch::finish_wait(AsyncResource& as, Result<int> result) {
  if (keeps_alive_ == KeepsAlive::kWhileWaiting) set_referenced(false);
  wait_.complete(loop(), as, std::move(result));
}

void SignalWatch::on_signal(UniqueFunction<void(int)> handler) {
  if (wait_) throw UsageError("on_signal: a wait is pending; use one of the two");
  signal_handler_.set(std::move(handler));
  if (pending_.empty() || !signal_handler_ || is_closing()) return;
  loop().add_tick(std::make_unique<Tick>([this] { deliver_pending(); },
                                         AsyncResourceOptions{.trigger = resource().async_id()}));
}

// What came before the handler did. The handler may close the listener, or go itself.
void SignalWatch::deliver_pending() {
  while (!pending_.empty() && signal_handler_ && !is_closing()) {
    SignalWatch& first = *pending_.front();
    pending_.erase(pending_.begin());
    first.is_pending_ = false;
    signal_handler_.call(loop(), first.resource(), first.signal_);
  }
}

void SignalWatch::keep_alive(bool always) noexcept {
  keeps_alive_ = always ? KeepsAlive::kAlways : KeepsAlive::kNever;
  update_reference();
}

// The leader is enough: all of them live as long.
void SignalWatch::update_reference() noexcept {
  set_referenced(keeps_alive_ == KeepsAlive::kAlways ||
                 (keeps_alive_ == KeepsAlive::kWhileWaiting && wait_));
}

// libuv goes back to the default action, which for SIGPIPE ends the process.
void SignalWatch::begin_close() noexcept {
  if (signal_ == SIGPIPE) ignore_broken_pipes();
  pending_.clear();
  others_.clear();
}

void SignalWatch::end_pending() noexcept {
  if (wait_) cancel_wait();
}

// As in Node, where closing one has no callback.
void SignalWatch::tell_closed(PersistentHandler<>& handler) {
  if (handler) handler.call(loop(), resource());
}

void SignalWatch::drop_handlers() noexcept {
  signal_handler_.clear();
}

}  // namespace weft::detail
