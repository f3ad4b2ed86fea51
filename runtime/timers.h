// Timers: later, again and again, and next turn.
//
//   auto slow = set_timeout(5s, [] { log("still waiting"); });
//   fetch();
//   slow.clear();
//
// Node's surface. Times are whole milliseconds, rounded up, at least one, counted
// from the call that sets the timer, and none ends early: measured on
// std::chrono::steady_clock what was asked for has passed. Timers of one deadline fire
// in the order they were set. Callbacks see the context of the call that set the timer.
// Source: Node `timers`.
#pragma once

#include <chrono>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>

namespace weft {

namespace detail {
class Timer;
struct ImmediateTask;
struct TimerAccess;
}  // namespace detail

// A handle on a timer. Copies refer to the same timer; dropping the last does not
// stop it. Its methods do nothing to a timer that ended, but refresh(); for that, a
// timer which has fired keeps its callback while there is a handle, to the end of the
// run at most. So a callback that owns the handle of its own timer lives as long, with
// all it captured: clear() in it, or anywhere, lets go at once.
//
// Context: the loop's thread; after the loop's end only dropping it is allowed. Elsewhere
//          refresh() throws UsageError, the others end the process; Loop::post gets there.
class Timeout {
 public:
  // Refers to no timer; the methods do nothing.
  Timeout() noexcept = default;
  Timeout(const Timeout& other) noexcept;
  Timeout(Timeout&& other) noexcept : timer_(std::exchange(other.timer_, nullptr)) {}
  Timeout& operator=(Timeout other) noexcept {
    std::swap(timer_, other.timer_);
    return *this;
  }
  ~Timeout();

  // Stops the timer and drops its callback.
  // Source: Node `clearTimeout`, `clearInterval`.
  void clear() noexcept;
  // Begins the time anew. A timer that has fired begins a new life: a new id, the
  // context of this call. One that was cleared stays cleared.
  // Source: Node `timeout.refresh()`.
  Timeout& refresh();
  // Whether the timer keeps the loop alive; at first it does.
  // Source: Node `timeout.ref()`, `unref()`, `hasRef()`.
  Timeout& ref() noexcept { return set_ref(true); }
  Timeout& unref() noexcept { return set_ref(false); }
  bool has_ref() const noexcept;

  AsyncId async_id() const noexcept;

 private:
  friend struct detail::TimerAccess;
  Timeout& set_ref(bool referenced) noexcept;
  explicit Timeout(detail::Timer* timer) noexcept : timer_(timer) {}

  detail::Timer* timer_ = nullptr;  // a counted reference; null: none
};

// A handle on an immediate, as Timeout is on a timer.
class Immediate {
 public:
  Immediate() noexcept = default;
  Immediate(const Immediate& other) noexcept;
  Immediate(Immediate&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  Immediate& operator=(Immediate other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~Immediate();

  void clear() noexcept;
  Immediate& ref() noexcept { return set_ref(true); }
  Immediate& unref() noexcept { return set_ref(false); }
  bool has_ref() const noexcept;
  AsyncId async_id() const noexcept;

 private:
  friend struct detail::TimerAccess;
  Immediate& set_ref(bool referenced) noexcept;
  explicit Immediate(detail::ImmediateTask* task) noexcept : task_(task) {}

  detail::ImmediateTask* task_ = nullptr;  // a counted reference; null: none
};

// Calls `callback` once, `delay` from now.
//
// Context: loop thread
// Errors:  UsageError outside of a loop.
Timeout set_timeout(std::chrono::nanoseconds delay, UniqueFunction<void()> callback);

// Calls `callback` every `period`, counted from the beginning of the last call.
Timeout set_interval(std::chrono::nanoseconds period, UniqueFunction<void()> callback);

// Calls `callback` in the check phase of this turn, after I/O; one set by an
// immediate runs in the next turn.
//
// Context: loop thread
Immediate set_immediate(UniqueFunction<void()> callback);

// Node's spelling of timeout.clear().
inline void clear(Timeout& timeout) noexcept {
  timeout.clear();
}
inline void clear(Immediate& immediate) noexcept {
  immediate.clear();
}

// Waits.
//
// Context:  fiber
// Suspends: always.
// Errors:   std::errc::operation_canceled inside a shield, when the run ends.
// Cancel:   the wait ends at once.
void sleep_for(std::chrono::nanoseconds duration);
void sleep_until(std::chrono::steady_clock::time_point deadline);

// The time of the current turn, or of the last timer set in it, in whole milliseconds
// since the loop began: behind steady_clock, never ahead. Costs no system call.
//
// Context: loop thread
std::chrono::steady_clock::time_point now();

}  // namespace weft
