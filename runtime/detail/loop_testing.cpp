// What test kits ask of a loop. None of it is on the way of a loop that nobody tests.
#include <string>

#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/test_watch.h>

namespace weft::detail {

void EventLoop::shuffle(std::uint64_t seed) noexcept {
  random_state_ = seed;
  is_shuffled_ = true;
  stop_direct();
}

// As next_fiber(), which has given the direct switches back. A job that is drawn on a
// fiber's way out is drawn again by the loop, which may then take another.
Fiber* EventLoop::next_shuffled() noexcept {
  const std::size_t candidates = ready_.candidates();
  if (candidates > 1) ready_.bring_forward(pick(candidates));
  if (candidates == 0 || !ready_.front()->is_fiber || budget_ <= 0) return nullptr;
  --budget_;
  auto& fiber = static_cast<Fiber&>(ready_.pop());
  const bool is_seen = thread_state.hook_mask != 0 && (fiber.attention & Fiber::kEventsOver) == 0;
  if (is_seen) fiber.attention |= Fiber::kEmitEnter;
  return &fiber;
}

void EventLoop::wait_all_parked() {
  fiber_that_may_wait("wait_all_parked");
  is_tested_ = true;
  wake_up();
  quiet_turns_ = 0;
  quiet_lot_.park("wait_all_parked");
}

bool EventLoop::has_ended_watch() const noexcept {
  return watch_ != nullptr && watch_->is_body_over && watch_->ends_when_quiet && !stopping_ &&
         uv_has_ref(remote_->handle()) == 0;
}

bool EventLoop::is_test_waiting() const noexcept {
  return !quiet_lot_.is_empty() || has_ended_watch();
}

// What is left is noted once: here, or when the run ends by itself.
void EventLoop::end_watch() noexcept {
  TestWatch& watch = *std::exchange(watch_, nullptr);
  watch.leftovers = describe_leftovers();
  // Nothing but what is left could run: a deadlock tells of it, in order.
  if (handles_ != nullptr && !watch.leftovers.empty()) stop(nullptr);
}

std::string EventLoop::describe_leftovers() {
  std::string text = describe_waiting_fibers();
  for (const Handle* handle = handles_; handle != nullptr; handle = handle->following_) {
    if (handle->is_closing()) continue;
    text += "  " + std::string(handle->resource().type()) + " " +
            std::to_string(handle->resource().async_id()) + " is still open";
    const SourceLocation& at = handle->created_at();
    if (*at.file != '\0') {
      text += std::string(" (created at ") + at.file + ":" + std::to_string(at.line) + ")";
    }
    text += "\n";
  }
  return text;
}

}  // namespace weft::detail
