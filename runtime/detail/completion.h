// Completion: a callback, the context of the call that took it, and its one end.
//
// Every operation keeps what it must call back in one of these, so that no
// operation can forget context or hooks. complete() empties it, then enters user
// code through EventLoop::call as the resource the operation reports to.
#pragma once

#include <memory>
#include <utility>

#include <weft/ctx/detail/capture.h>
#include <weft/ctx/detail/counted.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/loop.h>

namespace weft::detail {

// Who is told how an operation ended: a callback, or the fiber that waits for it.
template <typename T>
class Done {
 public:
  explicit Done(Callback<T>& callback) noexcept : callback_(&callback) {}
  explicit Done(AwaitResult<T>& waiter) noexcept : waiter_(&waiter) {}
  explicit operator bool() const noexcept { return waiter_ != nullptr || *callback_; }

 private:
  template <typename>
  friend class Completion;

  Callback<T>* callback_ = nullptr;
  AwaitResult<T>* waiter_ = nullptr;
};

template <typename T>
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  ~Completion() {
    if (waiter_ != nullptr) take_waiter().end();
  }

  // Takes the callback, with the current context; or notes the fiber.
  void take(Done<T> done) {
    if (done.waiter_ != nullptr) return wait_for(*done.waiter_);
    take(done, capture());
  }
  // For a request: its resource has captured the context already.
  void take(Done<T> done, FrameRef frame) noexcept {
    if (done.waiter_ != nullptr) return wait_for(*done.waiter_);
    done_ = std::move(*done.callback_);
    frame_ = std::move(frame);
  }
  // Gives the callback back: the operation did not start.
  void give_back(Done<T> done) noexcept {
    if (done.waiter_ != nullptr) {
      take_waiter();
    } else {
      *done.callback_ = std::exchange(done_, {});
    }
  }

  explicit operator bool() const noexcept { return waiter_ != nullptr || done_; }

  // Never from inside the call that started the operation. On a fiber's stack only
  // for a wait that another fiber cancels.
  // `outcome` is a T, an Error or a Result<T>: a hot caller's value is moved once.
  template <typename Outcome>
  void complete(EventLoop& loop, AsyncResource& resource, Outcome outcome) {
    if (waiter_ == nullptr) return call_back(loop, resource, std::move(outcome));
    AwaitResult<T>& waiter = take_waiter();
    if (waiter.result) __builtin_unreachable();  // a wait ends once; spares emplace() the look
    waiter.result.emplace(std::move(outcome));
    waiter.is_over = true;
    loop.wake_as(resource, waiter.self);
  }

 private:
  template <typename Outcome>
  [[gnu::noinline]] void call_back(EventLoop& loop, AsyncResource& resource, Outcome outcome) {
    if (!done_) return;
    Callback<T> done = std::exchange(done_, {});
    loop.call(resource, std::move(frame_), [&] { done(Result<T>(std::move(outcome))); });
  }
  void wait_for(AwaitResult<T>& waiter) noexcept {
    waiter_ = &waiter;
    waiter.held_at = &waiter_;
  }
  AwaitResult<T>& take_waiter() noexcept {
    waiter_->held_at = nullptr;
    return *std::exchange(waiter_, nullptr);
  }

  AwaitResult<T>* waiter_ = nullptr;  // a fiber, which has its own context
  Callback<T> done_;
  FrameRef frame_;
};

// Waits for a leaf: as await(), without a callback between the operation and the fiber.
template <typename T, typename Leaf, typename Abort>
T await_leaf(const char* what, Leaf&& leaf, Abort&& abort) {
  Fiber& self = fiber_that_may_wait(what);
  AwaitState<T, std::remove_reference_t<Abort>> state(self, what, abort);
  if (auto at_once = leaf(Done<T>(state))) return (*std::move(at_once)).value();
  return std::move(state.wait()).value();
}

// Delivers the result of an operation that finished at once, on the next tick.
// The tick's trigger is the resource the operation belongs to.
template <typename T>
void complete_soon(EventLoop& loop, AsyncId trigger, Callback<T> done, Result<T> result) {
  if (!done) return;
  loop.add_tick(std::make_unique<Tick>(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); },
      AsyncResourceOptions{.trigger = trigger}));
}

// A handler that is called many times, in the context of the call that set it. It may be
// replaced or removed from inside itself and by the hooks of its call: the one that was
// there when the call began is called, and lives until it has returned.
template <typename... Args>
class PersistentHandler {
 public:
  void set(UniqueFunction<void(Args...)> fn) {
    Ref<Held> taken(fn ? new Held(std::move(fn), capture()) : nullptr);
    std::swap(held_, taken);  // the old one dies last: it may own us
  }
  void clear() noexcept { const Ref<Held> dropped = std::move(held_); }
  explicit operator bool() const noexcept { return static_cast<bool>(held_); }

  void call(EventLoop& loop, AsyncResource& resource, Args... args) {
    if (!held_) return;
    Ref<Held> held = held_;
    loop.call(resource, held->frame, [&] {
      const Ref<Held> called = std::move(held);  // what drains behind the call need not keep it
      called->fn(std::forward<Args>(args)...);
    });
  }
  // On the next tick, which is a resource of its own, unless `is_off` then. What is called is
  // the handler of that time. It outlives the tick: its handle drains before it ends.
  template <typename F>
  void call_on_tick(EventLoop& loop, AsyncId trigger, F is_off) {
    auto tick = std::make_unique<Tick>(
        [this, is_off] {
          if (!held_ || is_off()) return;
          const Ref<Held> called = held_;
          FrameRef frame = called->frame;  // another than the tick's, if it was replaced
          const FrameRef left = FrameRef::adopt(
              std::exchange(thread_state.execution->frame, std::move(frame).release()));
          called->fn();
        },
        AsyncResourceOptions{.trigger = trigger});
    ResourceAccess::frame(tick->resource) = held_->frame;
    loop.add_tick(std::move(tick));
  }

 private:
  struct Held : Counted {
    Held(UniqueFunction<void(Args...)> function, FrameRef context)
        : fn(std::move(function)), frame(std::move(context)) {}
    UniqueFunction<void(Args...)> fn;
    FrameRef frame;
  };

  Ref<Held> held_;  // null: none
};

}  // namespace weft::detail
