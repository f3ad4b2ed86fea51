// retry: calls a function until it succeeds, with a growing pause in between.
//
//   Reply reply = retry({.attempts = 5, .backoff = 50ms}, [&] { return ask(peer); });
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>

#include <weft/ctx/error.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>

namespace weft {

struct RetryOptions {
  unsigned attempts = 3;  // of calls, at least one
  // The pause after the first failure; it doubles with each, up to max_delay.
  std::chrono::nanoseconds backoff = std::chrono::milliseconds(100);
  std::chrono::nanoseconds max_delay = std::chrono::seconds(10);
  // The part of each pause that is left to chance, from 0 (none) to 1 (all of it), so
  // that clients which failed together do not come back together.
  double jitter = 0;
  std::optional<std::uint64_t> seed = {};  // of that chance; without one, another each time
  std::optional<std::chrono::steady_clock::time_point> deadline = {};  // for everything
};

namespace detail {

// The pauses of one retry().
class RetryPlan {
 public:
  // Errors: UsageError for options that make no sense.
  explicit RetryPlan(const RetryOptions& options);

  // After a failure: waits and returns, or returns false when that was the last attempt.
  bool wait_to_try_again();

 private:
  std::chrono::nanoseconds next_delay() noexcept;

  const RetryOptions& options_;
  unsigned attempts_ = 0;
  std::chrono::nanoseconds delay_;
  std::uint64_t random_;
};

template <typename F>
std::decay_t<std::invoke_result_t<F&>> attempt_all(RetryPlan& plan, F& fn) {
  for (;;) {
    try {
      return std::invoke(fn);
    } catch (const Cancelled&) {
      throw;
    } catch (const UsageError&) {
      throw;
    } catch (...) {
      if (!plan.wait_to_try_again()) throw;
    }
  }
}

}  // namespace detail

// Calls `fn` until it returns, and returns its result. Cancelled and UsageError are
// not tried again.
//
// Context:  fiber
// Suspends: if `fn` does, and for the pauses.
// Errors:   the last attempt's, as it is; also when the next pause would pass the
//           deadline. std::errc::timed_out when the deadline cut an attempt short.
//           UsageError for options that make no sense.
template <std::invocable F>
std::decay_t<std::invoke_result_t<F&>> retry(const RetryOptions& options, F&& fn) {
  detail::RetryPlan plan(options);
  const auto attempt = [&] { return detail::attempt_all(plan, fn); };
  if (!options.deadline) return attempt();
  return with_deadline(*options.deadline, attempt);
}

}  // namespace weft
