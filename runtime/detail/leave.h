// How a fiber leaves its stack for the next one: the hottest path of the runtime.
//
// Straight to the next fiber while direct_ lasts; else by way of leave_slowly(),
// which sees to microtasks, hooks, the budget and an empty queue.
#pragma once

#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/switch.h>

namespace weft::detail {

inline void EventLoop::go_to(Fiber& self, Fiber& next) noexcept {
  runtime_thread.fiber = &next;
  switch_stack(self.context, next.context, *runtime_thread.exceptions);
}

// With nothing else ready: how a fiber usually waits for I/O.
inline void EventLoop::leave_to_loop(Fiber& self) noexcept {
  if (direct_ != 0) stop_direct();
  runtime_thread.fiber = nullptr;
  switch_stack(self.context, context_, *runtime_thread.exceptions);
  if (self.attention != 0) [[unlikely]]
    came_back(self);
}

inline void EventLoop::leave(Fiber& self) noexcept {
  if (ready_.is_empty() && thread_state.hook_mask == 0) return leave_to_loop(self);
  if (ready_.is_empty() || --direct_ < 0) [[unlikely]]
    return leave_slowly(self);
  go_to(self, static_cast<Fiber&>(ready_.pop()));
  if (self.attention != 0) [[unlikely]]
    came_back(self);
}

inline void EventLoop::yield(Fiber& self) {
  if (ready_.is_empty() || --direct_ < 0) [[unlikely]]
    return yield_slowly(self);
  go_to(self, static_cast<Fiber&>(ready_.rotate(self)));
  if (self.attention != 0) [[unlikely]]
    came_back_from_yield(self);
}

inline void EventLoop::leave_ended(Fiber& self) noexcept {
  --fiber_count_;
  Fiber* const joiner = self.joiner;
  if (joiner != nullptr && joiner->state == Fiber::State::kParked) {
    joiner->wait->is_over = joiner->wait->is_met = true;
    joiner->state = Fiber::State::kRunnable;
    joiner->resumed_by = self.resource.async_id();
    ready_.push(*joiner);
  }
  Fiber* const next =
      !ready_.is_empty() && --direct_ >= 0 ? &static_cast<Fiber&>(ready_.pop()) : next_fiber();
  runtime_thread.fiber = next;
  StackContext& to = next == nullptr ? context_ : next->context;
  if (!self.is_ordinary) [[unlikely]]
    return leave_for_good(self, to);
  if (self.is_detached()) detach(self);
  leave_stack(self.context, to, *runtime_thread.exceptions);
}

// park() and wake(), for the hot paths of other files.
[[gnu::always_inline]] inline void park_inline(Fiber& self, Wait& wait) noexcept {
  self.wait = &wait;
  if (self.attention != 0 && ends_before_park(self, wait)) [[unlikely]]
    return;
  do {
    self.state = Fiber::State::kParked;
    self.loop->leave(self);
  } while (!wait.is_over);
}

[[gnu::always_inline]] inline void wake_inline(Fiber& fiber) noexcept {
  if (fiber.state != Fiber::State::kParked) return;
  fiber.state = Fiber::State::kRunnable;
  fiber.resumed_by = thread_state.execution->async_id;  // a loop runs, so there is one
  fiber.loop->make_ready(fiber);
}

}  // namespace weft::detail
