#include <algorithm>

#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/scope.h>
#include <weft/runtime/detail/timers.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

using Kind = TimerWheel::Node::Kind;

namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

}  // namespace

void retain(Timer& timer) noexcept {
  ++timer.references;
}

void release(Timer& timer) noexcept {
  if (--timer.references == 0) delete &timer;
}

void Timers::open() {
  uv_must(uv_timer_init(loop_.uv(), &uv_timer_));
  began_ms_ = uv_now(loop_.uv());
  // steady_clock is read first: an interruption in between leaves now() behind, not ahead.
  const auto now = std::chrono::steady_clock::now();
  const std::uint64_t since_ns = uv_hrtime() - began_ms_ * kNsPerMs;
  began_ = now - std::chrono::nanoseconds(since_ns);
}

std::uint64_t Timers::now_ms() const noexcept {
  return is_virtual_ ? virtual_now_ms_ : uv_now(loop_.uv()) - began_ms_;
}

std::uint64_t Timers::ms_after(std::uint64_t delay_ms) const noexcept {
  if (is_virtual_) return virtual_now_ms_ + delay_ms;
  return (uv_hrtime() + (kNsPerMs - 1)) / kNsPerMs - began_ms_ + delay_ms;
}

std::uint64_t Timers::ms_of(std::chrono::steady_clock::time_point time) const noexcept {
  if (time <= began_) return 0;
  const auto after = std::chrono::ceil<std::chrono::milliseconds>(time - began_);
  return static_cast<std::uint64_t>(after.count());
}

void Timers::update_now() noexcept {
  if (!is_virtual_) uv_update_time(loop_.uv());
}

inline void Timers::count_reference(bool added) noexcept {
  if (!added) {
    --referenced_;  // see update_reference()
  } else if (referenced_++ == 0 && !keeps_loop_alive_) {
    keeps_loop_alive_ = true;
    uv_ref(handle());
  }
}

void Timers::update_reference() noexcept {
  if (!keeps_loop_alive_ || referenced_ > 0) return;
  keeps_loop_alive_ = false;
  uv_unref(handle());
}

inline void Timers::arm_uv(std::uint64_t event_ms) noexcept {
  if (event_ms < armed_for_ms_ && !is_virtual_) start_uv(event_ms);
}

void Timers::start_uv(std::uint64_t event_ms) noexcept {
  armed_for_ms_ = event_ms;
  const std::uint64_t now = now_ms();
  uv_timer_start(
      &uv_timer_, [](uv_timer_t* h) { static_cast<EventLoop*>(h->data)->timers().run_due(); },
      event_ms > now ? event_ms - now : 1, 0);
}

void Timers::start_at(Timer& timer, std::uint64_t deadline_ms) noexcept {
  wheel_.arm(timer, deadline_ms);
  if (timer.is_referenced) count_reference(true);
  // A slot's beginning may come before the deadline; run_due() then arms again.
  arm_uv(timer.deadline_ms());
}

void Timers::disarm(Timer& timer) noexcept {
  wheel_.cancel(timer);
  if (timer.is_referenced) count_reference(false);
}

void Timers::clear(Timer& timer) noexcept {
  timer.is_repeating = false;
  timer.is_cleared = true;
  const bool was_armed = timer.is_armed();
  if (was_armed) disarm(timer);
  if (timer.kept_at != nullptr) timer.forget();
  ResourceAccess::end(timer.resource);
  if (timer.is_firing || !timer.is_on_heap) return;  // fire() settles it
  // What the callback captured goes now, not when the last handle does.
  const UniqueFunction<void()> dropped = std::move(timer.callback);
  if (was_armed) release(timer);
}

void Timers::refresh(Timer& timer) {
  if (timer.is_cleared) return;
  const bool had_ended = !timer.is_armed() && !timer.is_firing;
  if (had_ended) {
    timer.resource.async_reset();
    retain(timer);
    if (timer.kept_at != nullptr) timer.forget();
  }
  if (timer.is_armed()) disarm(timer);
  start(timer);
}

void Timers::clear_all() noexcept {
  while (TimerWheel::Node* const node = wheel_.pop_any()) {
    if (node->kind() == Kind::kAlarm) {  // its owner is closed
      if (static_cast<Alarm&>(*node).is_referenced) count_reference(false);
      continue;
    }
    if (node->kind() == Kind::kDeadline) {  // a shielded fiber may wait for nothing else
      pass(*node);
      continue;
    }
    auto& timer = static_cast<Timer&>(*node);
    if (timer.is_referenced) count_reference(false);
    timer.is_repeating = false;
    timer.is_cleared = true;
    ResourceAccess::end(timer.resource);
    if (!timer.is_on_heap) timer.callback();  // the sleep of a fiber that unwinds or is shielded
    if (timer.is_on_heap && !timer.is_firing) {
      const UniqueFunction<void()> dropped = std::move(timer.callback);
      release(timer);
    }
  }
  while (kept_ != nullptr) clear(*kept_);
}

// A callback that owns a handle on its own timer would keep both for ever.
void Timers::keep(Timer& timer) noexcept {
  timer.kept_at = &kept_;
  timer.next_kept = kept_;
  if (kept_ != nullptr) kept_->kept_at = &timer.next_kept;
  kept_ = &timer;
}

void Timers::set_referenced(Timer& timer, bool referenced) noexcept {
  if (timer.is_referenced == referenced) return;
  timer.is_referenced = referenced;
  if (timer.is_armed()) count_reference(referenced);
}

void Timers::run_due() noexcept {
  armed_for_ms_ = 0;
  const std::uint64_t now = now_ms();
  while (TimerWheel::Node* const due = wheel_.pop_due(now)) {
    if (due->kind() != Kind::kTimer) {
      pass(*due);
      loop_.drain();
      continue;
    }
    auto& timer = static_cast<Timer&>(*due);
    if (timer.is_referenced) count_reference(false);
    fire(timer);
  }
  armed_for_ms_ = TimerWheel::kNever;
  arm_uv(wheel_.next_event_ms());
}

bool Timers::arm_deadline(TimerWheel::Node& node,
                          std::chrono::steady_clock::time_point deadline) noexcept {
  const std::uint64_t deadline_ms = ms_of(deadline);
  if (deadline_ms <= now_ms()) return false;
  wheel_.arm(node, deadline_ms);
  count_reference(true);
  arm_uv(node.deadline_ms());
  return true;
}

void Timers::disarm_deadline(TimerWheel::Node& node) noexcept {
  wheel_.cancel(node);
  count_reference(false);
}

void Timers::arm(Alarm& alarm, std::uint64_t deadline_ms) noexcept {
  wheel_.arm(alarm, deadline_ms);
  if (alarm.is_referenced) count_reference(true);
  arm_uv(alarm.deadline_ms());
}

void Timers::disarm(Alarm& alarm) noexcept {
  if (!alarm.is_armed()) return;
  wheel_.cancel(alarm);
  if (alarm.is_referenced) count_reference(false);
}

void Timers::set_referenced(Alarm& alarm, bool referenced) noexcept {
  if (alarm.is_referenced == referenced) return;
  alarm.is_referenced = referenced;
  if (alarm.is_armed()) count_reference(referenced);
}

// What is no Timer is due.
void Timers::pass(TimerWheel::Node& node) noexcept {
  if (node.kind() == Kind::kDeadline) {
    count_reference(false);
    return deadline_passed(static_cast<Scope&>(node));
  }
  auto& alarm = static_cast<Alarm&>(node);
  if (alarm.is_referenced) count_reference(false);
  alarm.ring(alarm);
}

// Its callback has returned or thrown; an interval is due again at `next_ms`.
void Timers::fired(Timer& timer, std::uint64_t next_ms) noexcept {
  timer.is_firing = false;
  if (timer.is_repeating && !timer.is_armed()) start_at(timer, next_ms);
  if (timer.is_armed()) return;
  ResourceAccess::end(timer.resource);
  if (!timer.is_on_heap) return;
  if (timer.is_cleared) {
    const UniqueFunction<void()> dropped = std::move(timer.callback);
  } else if (timer.references > 2) {  // the wheel's, fire()'s, and a handle's
    keep(timer);
  }
  release(timer);  // the wheel's reference
}

// A timer that lives on a fiber's stack may be gone when call() returns; one on the heap may be
// cleared or refreshed by what call() drains.
void Timers::fire(Timer& timer) noexcept {
  Timer* const held = timer.is_on_heap ? &timer : nullptr;
  if (held != nullptr) retain(*held);
  timer.is_firing = true;
  loop_.call(timer.resource, [this, &timer] {
    // Before `after` is emitted, thrown or not, as in Node.
    struct Settle {
      Timers& timers;
      Timer& timer;
      const std::uint64_t next_ms;
      ~Settle() { timers.fired(timer, next_ms); }
    } const settle{*this, timer, timer.is_repeating ? ms_after(timer.delay_ms) : 0};
    timer.callback();
  });
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): fired() gave up the wheel's reference only
  if (held != nullptr) release(*held);
}

}  // namespace weft::detail
