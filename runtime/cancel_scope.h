// CancelScope: work that can be cut short, by hand or by a deadline.
//
//   std::optional<Reply> reply = move_on_after(2s, [&] { return ask(peer); });
//   Reply answer = with_timeout(2s, [&] { return ask(peer); });  // or throws timed_out
//
//   CancelScope scope({.deadline = now() + 5s});
//   scope.run([&] { serve(peer); });  // elsewhere: scope.cancel("the server stops")
//
// A cancelled scope throws Cancelled at every suspension point inside it, again and
// again until it is left: code that swallows one meets the next. It ends at run() of
// the outermost scope that was cancelled. Which fibers are inside a scope:
//
// - the one that runs it, and the children of task groups opened inside;
// - not those started inside with a plain spawn(): they were let loose. They know
//   the deadline, as every callback started inside does, but only Task::cancel, which
//   cancels a fiber's own outermost scope, cancels them.
//
// A deadline that has passed counts at the next call that could wait, whether it would
// have to or not, and for all that ask: is_cancelled(), check_cancelled(), remaining().
//
// A shielded scope hides from those inside what is cancelled outside: for cleanup
// that must wait. A destructor that runs while an exception, Cancelled too, unwinds the
// stack is shielded by itself, since nothing may leave it: what waits there waits, and a
// deadline of its own (move_on_after) ends that. Out of a destructor that runs on the
// ordinary way, in a fiber that is cancelled, Cancelled does come: shield it.
//
// Scopes end with a function and not with a destructor, because a destructor cannot
// catch. Deadlines are no resources, as they run no code of the user's: hooks do not
// see them. They keep the loop alive.
//
// Source: trio's cancel scopes. Deviation: a task that was not started in a nursery.
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/runtime/detail/scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/source_location.h>

namespace weft {

struct CancelScopeOptions {
  std::optional<std::chrono::steady_clock::time_point> deadline = {};  // by now()'s clock
  bool shield = false;
};

// What a function that may be cut short came to: its result, or nothing. For one
// without a result: whether it ran to its end.
template <typename T>
using Finished = std::conditional_t<std::is_void_v<T>, bool, std::optional<T>>;

// One scope, for one run(). It belongs to one loop, as a ParkingLot does: elsewhere run()
// throws UsageError, and the others end the process; Loop::post gets there.
class CancelScope {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Options = CancelScopeOptions;

  CancelScope() = default;
  explicit CancelScope(const Options& options) noexcept {
    scope_.deadline = options.deadline.value_or(detail::kNoDeadline);
    scope_.is_shielded = options.shield;
  }
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
  ~CancelScope() = default;

  // Calls `fn` inside the scope. Returns nothing (false) when the scope was cancelled
  // and that is what ended `fn`; when an enclosing scope that can be seen is cancelled
  // as well, Cancelled goes on to that one.
  //
  // Context:  fiber
  // Suspends: if `fn` does.
  // Errors:   what `fn` throws; UsageError for a second run.
  template <std::invocable F>
  auto run(F&& fn) -> Finished<std::decay_t<std::invoke_result_t<F>>> {
    scope_.home.check("CancelScope::run");
    const detail::ScopeEntry entry(scope_, "CancelScope::run");
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        std::invoke(std::forward<F>(fn));
        return true;
      } else {
        return std::invoke(std::forward<F>(fn));
      }
    } catch (const Cancelled&) {
      if (!detail::is_own_cancel(scope_)) throw;
      scope_.cancelled_caught = true;
    }
    return {};
  }

  // Cancels what runs inside, or will: Cancelled::reason() tells `reason`. For good;
  // the first reason counts.
  //
  // Context: loop thread
  void cancel(std::string_view reason = {}) noexcept {
    scope_.home.require("CancelScope::cancel");
    detail::cancel(scope_, reason);
  }

  // When the scope cancels itself; nullopt: never. May be moved while the scope runs;
  // one that has passed cancels at once. Of nested scopes the earliest counts.
  void set_deadline(std::optional<TimePoint> deadline) noexcept {
    scope_.home.require("CancelScope::set_deadline");
    detail::set_deadline(scope_, deadline.value_or(detail::kNoDeadline));
  }
  std::optional<TimePoint> deadline() const noexcept {
    if (scope_.deadline == detail::kNoDeadline) return std::nullopt;
    return scope_.deadline;
  }

  // Whether cancellations from outside stay outside.
  void set_shield(bool shielded) noexcept {
    scope_.home.require("CancelScope::set_shield");
    detail::set_shield(scope_, shielded);
  }
  bool shield() const noexcept { return scope_.is_shielded; }

  // Whether cancel() was called or the deadline has passed, however the run ended.
  bool cancel_called() noexcept {
    scope_.home.require("CancelScope::cancel_called");
    return detail::is_cancel_called(scope_);
  }
  // Whether run() ended because of it.
  bool cancelled_caught() const noexcept { return scope_.cancelled_caught; }
  // Why the scope was cancelled; empty when it was not, or nobody said.
  // Shape: valid while the scope lives.
  std::string_view reason() const noexcept {
    return scope_.reason == nullptr ? std::string_view() : *scope_.reason;
  }

 private:
  friend class TaskGroup;

  detail::Scope scope_;
};

// Calls `fn`, and returns without its result when it takes longer.
//
// Context:  fiber
// Suspends: if `fn` does; a deadline that has passed cuts it at its first suspension.
// Source:   trio `move_on_after`, `move_on_at`.
template <std::invocable F>
auto move_on_at(std::chrono::steady_clock::time_point deadline, F&& fn) {
  CancelScope scope({.deadline = deadline});
  return scope.run(std::forward<F>(fn));
}
template <std::invocable F>
auto move_on_after(std::chrono::nanoseconds timeout, F&& fn) {
  return move_on_at(detail::deadline_after(timeout), std::forward<F>(fn));
}

namespace detail {

// What a timeout was, for its error.
struct TimeLimit {
  ScopeClock::time_point deadline;
  std::optional<std::chrono::nanoseconds> timeout;  // nothing: given as a deadline
  SourceLocation at;
};

[[noreturn]] void raise_timed_out(const TimeLimit& limit);

template <typename F>
std::decay_t<std::invoke_result_t<F>> run_or_raise(const TimeLimit& limit, F&& fn) {
  CancelScope scope({.deadline = limit.deadline});
  auto finished = scope.run(std::forward<F>(fn));
  if (!finished) raise_timed_out(limit);
  if constexpr (!std::is_void_v<std::invoke_result_t<F>>) return *std::move(finished);
}

}  // namespace detail

// Calls `fn`; returns its result.
//
// Context:  fiber
// Suspends: if `fn` does.
// Errors:   TimedOut (std::errc::timed_out), which names the timeout and the place of
//           this call, when it cut `fn` short; what `fn` throws.
// Source:   trio `fail_after`, `fail_at`.
template <std::invocable F>
auto with_timeout(std::chrono::nanoseconds timeout, F&& fn,
                  const SourceLocation& at = SourceLocation::current()) {
  return detail::run_or_raise({detail::deadline_after(timeout), timeout, at}, std::forward<F>(fn));
}
template <std::invocable F>
auto with_deadline(std::chrono::steady_clock::time_point deadline, F&& fn,
                   const SourceLocation& at = SourceLocation::current()) {
  return detail::run_or_raise({deadline, std::nullopt, at}, std::forward<F>(fn));
}

// Calls `fn` where no cancellation from outside reaches it.
//
// Context:  fiber
// Suspends: if `fn` does.
// Cancel:   deferred until `fn` has returned.
template <std::invocable F>
std::decay_t<std::invoke_result_t<F>> shielded(F&& fn) {
  CancelScope scope({.shield = true});
  auto finished = scope.run(std::forward<F>(fn));
  if constexpr (!std::is_void_v<std::invoke_result_t<F>>) return *std::move(finished);
}

// The earliest deadline of the scopes that the running code is in, up to a shield;
// the beginning of time when one of them is cancelled, nullopt when none has any.
// In a callback, a task that was let loose, or on another thread, those of the code
// that started it; what outlives a scope keeps the deadline it had.
//
// Context: any thread
// Source:  trio `current_effective_deadline`.
std::optional<std::chrono::steady_clock::time_point> current_effective_deadline() noexcept;

// How long until then; zero when it has passed or the code is cancelled.
//
// Context: any thread
std::optional<std::chrono::nanoseconds> remaining() noexcept;

// Whether the running code is cancelled: on a fiber, whether its next suspension
// point throws; else whether the scope was that started the callback or the work.
//
// Context: any thread
bool is_cancelled() noexcept;

// Throws Cancelled if the running fiber is cancelled. For loops that do not wait; under a
// deadline it costs a look at the clock.
//
// Context: fiber
void check_cancelled();

}  // namespace weft
