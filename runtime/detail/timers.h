// Timers: the timing wheel behind one uv_timer_t.
//
// The libuv timer is armed for the wheel's next event, and only ever moved
// earlier: a cancelled timer leaves it to fire once for nothing. It is referenced
// while some timer of ours is. With a virtual clock it stays unarmed, and the
// loop moves the time itself. Invariants:
//
// 1. Milliseconds are counted on std::chrono::steady_clock from began_. The time of a
//    turn is cut off to whole ones, a deadline is rounded up from the clock itself: so
//    nothing is due before its time, and now() is never ahead.
// 2. While run_due() runs nothing arms the libuv timer; at its end that is armed once,
//    for a millisecond from now at least. libuv goes on with its timers for as long as
//    one is due: timers that are due again would keep the loop from I/O for ever.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <uv.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/block_pool.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/timer_wheel.h>

namespace weft::detail {

class EventLoop;

// One timer: on the heap behind a Timeout, or on the stack of a fiber that sleeps.
class Timer : public TimerWheel::Node {
 public:
  Timer(UniqueFunction<void()> fn, std::uint64_t delay, bool repeats)
      : resource("Timeout"), callback(std::move(fn)), delay_ms(delay), is_repeating(repeats) {}

  ~Timer() {
    if (kept_at != nullptr) [[unlikely]]
      forget();
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  // Leaves the list of those that have fired.
  void forget() noexcept {
    *kept_at = next_kept;
    if (next_kept != nullptr) next_kept->kept_at = kept_at;
    kept_at = nullptr;
  }

  static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { free_block(block, bytes); }

  AsyncResource resource;
  UniqueFunction<void()> callback;
  std::uint64_t delay_ms;
  unsigned references = 1;  // the wheel's, while armed or firing, and the handles'
  bool is_repeating;
  bool is_referenced = true;  // keeps the loop alive
  bool is_firing = false;
  bool is_cleared = false;  // for good: refresh() does nothing
  bool is_on_heap = false;
  // Among those that have fired and keep the callback for refresh().
  Timer** kept_at = nullptr;  // null: not among them
  Timer* next_kept = nullptr;
};

// A timer of weft's own, which is no resource: hooks see what it is for, not how.
struct Alarm : TimerWheel::Node {
  // `on_ring` is not called when the run ends before.
  explicit Alarm(void (*on_ring)(Alarm&) noexcept) noexcept : Node(Kind::kAlarm), ring(on_ring) {}

  void (*ring)(Alarm&) noexcept;
  bool is_referenced = true;  // keeps the loop alive; changed by set_referenced()
};

void retain(Timer& timer) noexcept;
void release(Timer& timer) noexcept;

class Timers {
 public:
  explicit Timers(EventLoop& loop) noexcept : loop_(loop) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  void open();
  uv_handle_t* handle() noexcept { return reinterpret_cast<uv_handle_t*>(&uv_timer_); }

  void start(Timer& timer) noexcept { start_at(timer, ms_after(timer.delay_ms)); }
  void start_at(Timer& timer, std::uint64_t deadline_ms) noexcept;
  // Takes it out, ends the resource's life and drops the callback, for good.
  void clear(Timer& timer) noexcept;
  // Begins again from now, with a new life when it had fired; not once cleared.
  void refresh(Timer& timer);
  // Clears all, also what has fired: nothing begins again.
  void clear_all() noexcept;
  void set_referenced(Timer& timer, bool referenced) noexcept;

  // The deadline of a cancel scope: keeps the loop alive and ends in deadline_passed().
  // False, and nothing is armed, when it has passed.
  bool arm_deadline(TimerWheel::Node& node,
                    std::chrono::steady_clock::time_point deadline) noexcept;
  void disarm_deadline(TimerWheel::Node& node) noexcept;

  // `deadline_ms` is counted from the loop's beginning, as now_ms() is.
  void arm(Alarm& alarm, std::uint64_t deadline_ms) noexcept;
  void disarm(Alarm& alarm) noexcept;
  void set_referenced(Alarm& alarm, bool referenced) noexcept;

  // Calls what is due.
  void run_due() noexcept;
  // The time by which run_due() has work; TimerWheel::kNever when no timer is armed.
  std::uint64_t next_event_ms() const noexcept { return wheel_.next_event_ms(); }
  bool has_referenced() const noexcept { return referenced_ > 0; }
  // Lets go of libuv's loop when no timer is left that keeps it alive: once a turn, because
  // timers come and go.
  void update_reference() noexcept;
  bool is_empty() const noexcept { return wheel_.is_empty(); }
  // Calls `visit` with each armed timer, in no order.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    wheel_.for_each([&](const TimerWheel::Node& node) {
      if (node.kind() == TimerWheel::Node::Kind::kTimer) visit(static_cast<const Timer&>(node));
    });
  }

  std::uint64_t now_ms() const noexcept;  // of this turn, since the beginning
  // The first whole millisecond that is no earlier than `delay_ms` from this very moment.
  std::uint64_t ms_after(std::uint64_t delay_ms) const noexcept;
  // The first whole millisecond that is no earlier than `time`; 0 before the beginning.
  std::uint64_t ms_of(std::chrono::steady_clock::time_point time) const noexcept;
  // As Node, which asks for the time whenever a timer is set: a turn may have taken long.
  void update_now() noexcept;
  std::chrono::steady_clock::time_point now() const noexcept {
    return began_ + std::chrono::milliseconds(now_ms());
  }
  // This very moment; now() where time is virtual.
  std::chrono::steady_clock::time_point exact_now() const noexcept {
    return is_virtual_ ? now() : std::chrono::steady_clock::now();
  }
  void use_virtual_time() noexcept { is_virtual_ = true; }
  // Virtual time only.
  void jump_to(std::uint64_t time_ms) noexcept { virtual_now_ms_ = time_ms; }

 private:
  void pass(TimerWheel::Node& node) noexcept;
  void fire(Timer& timer) noexcept;
  void fired(Timer& timer, std::uint64_t next_ms) noexcept;
  void keep(Timer& timer) noexcept;
  void count_reference(bool added) noexcept;
  void arm_uv(std::uint64_t event_ms) noexcept;
  void start_uv(std::uint64_t event_ms) noexcept;
  void disarm(Timer& timer) noexcept;

  EventLoop& loop_;
  TimerWheel wheel_;
  uv_timer_t uv_timer_;
  std::uint64_t began_ms_ = 0;                       // uv_now() at the beginning
  std::chrono::steady_clock::time_point began_;      // what steady_clock said at began_ms_
  std::uint64_t armed_for_ms_ = TimerWheel::kNever;  // 0 while run_due() runs
  std::uint64_t virtual_now_ms_ = 0;
  std::size_t referenced_ = 0;
  Timer* kept_ = nullptr;  // have fired, and may be refreshed
  bool is_virtual_ = false;
  bool keeps_loop_alive_ = false;  // the handle is referenced
};

}  // namespace weft::detail
