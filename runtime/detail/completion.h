// Completion: a callback, the context of the call that took it, and its one end.
//
// Every operation keeps what it must call back in one of these, so that no
// operation can forget context or hooks. complete() empties it, then enters user
// code through EventLoop::call as the resource the operation reports to.
#pragma once

#include <memory>
#include <utility>

#include <weft/ctx/detail/capture.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/loop.h>

namespace weft::detail {

template <typename T>
class Completion {
 public:
  Completion() = default;
  explicit Completion(Callback<T> done) : Completion(std::move(done), capture()) {}
  // For a request: its resource has captured the context already.
  Completion(Callback<T> done, FrameRef frame) noexcept
      : done_(std::move(done)), frame_(std::move(frame)) {}

  // Gives the callback back: the operation did not start.
  Callback<T> take() noexcept { return std::exchange(done_, {}); }

  explicit operator bool() const noexcept { return static_cast<bool>(done_); }

  // Never from inside the call that started the operation. On a fiber's stack only
  // for a wait that another fiber cancels.
  void complete(EventLoop& loop, AsyncResource& resource, Result<T> result) {
    if (!done_) return;
    Callback<T> done = std::exchange(done_, {});
    loop.call(resource, std::move(frame_), [&] { done(std::move(result)); });
  }

 private:
  Callback<T> done_;
  FrameRef frame_;
};

// Delivers the result of an operation that finished at once, on the next tick.
// The tick's trigger is the resource the operation belongs to.
template <typename T>
void complete_soon(EventLoop& loop, AsyncId trigger, Callback<T> done, Result<T> result) {
  if (!done) return;
  loop.add_tick(std::make_unique<Tick>(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); },
      AsyncResourceOptions{.trigger = trigger}));
}

// A handler that is called many times, in the context of the call that set it. It
// may be replaced or removed from inside itself.
template <typename... Args>
class PersistentHandler {
 public:
  void set(UniqueFunction<void(Args...)> fn) {
    if (is_running_ && retired_ == nullptr) retired_ = std::move(fn_);
    fn_ = fn ? std::make_unique<UniqueFunction<void(Args...)>>(std::move(fn)) : nullptr;
    frame_ = capture();
  }
  void clear() noexcept {
    if (is_running_ && retired_ == nullptr) retired_ = std::move(fn_);
    fn_.reset();
    frame_.reset();
  }
  explicit operator bool() const noexcept { return fn_ != nullptr; }

  void call(EventLoop& loop, AsyncResource& resource, Args... args) {
    if (fn_ == nullptr) return;
    loop.call(resource, frame_, [&] {
      struct Running {
        PersistentHandler& handler;
        const bool outer = std::exchange(handler.is_running_, true);
        ~Running() {
          handler.is_running_ = outer;
          if (!outer) handler.retired_.reset();
        }
      } const running{*this};
      (*fn_)(std::forward<Args>(args)...);
    });
  }

 private:
  std::unique_ptr<UniqueFunction<void(Args...)>> fn_;
  std::unique_ptr<UniqueFunction<void(Args...)>> retired_;  // replaced while it runs
  FrameRef frame_;
  bool is_running_ = false;
};

}  // namespace weft::detail
