// assert_suspends, assert_no_suspends: whether a call gave way to other fibers.
//
//   Reply reply = assert_suspends([&] { return ask(peer); });
//   assert_no_suspends([&] { buffer.append(reply); });  // nobody sees it half done
//
// A yield with nobody else ready counts: it is where a cancellation is delivered.
// Source: trio's assert_checkpoints, assert_no_checkpoints.
#pragma once

#include <concepts>
#include <functional>
#include <utility>

#include <weft/ctx/hooks.h>
#include <weft/runtime/source_location.h>

namespace weft::testing {

namespace detail {

// Counts how often the running fiber is left while it lives.
class SuspensionCount {
 public:
  // Errors: UsageError outside of a fiber.
  explicit SuspensionCount(const char* what);

  int count() const noexcept { return count_; }
  void check_some(SourceLocation at) const;
  void check_none(SourceLocation at) const;

 private:
  AsyncId fiber_;
  int count_ = 0;
  AsyncHook hook_;
};

}  // namespace detail

// Calls `fn`; returns what it returns, which is no reference to what dies with it.
//
// Context: fiber
// Errors:  what `fn` throws; TestFailure when it did not suspend, UsageError outside of a fiber.
template <std::invocable F>
decltype(auto) assert_suspends(F&& fn, SourceLocation at = SourceLocation::current()) {
  const detail::SuspensionCount suspensions("assert_suspends");
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    std::invoke(std::forward<F>(fn));
    suspensions.check_some(at);
  } else {
    decltype(auto) result = std::invoke(std::forward<F>(fn));
    suspensions.check_some(at);
    return std::invoke_result_t<F>(std::forward<decltype(result)>(result));
  }
}

// As above; TestFailure when it did.
template <std::invocable F>
decltype(auto) assert_no_suspends(F&& fn, SourceLocation at = SourceLocation::current()) {
  const detail::SuspensionCount suspensions("assert_no_suspends");
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    std::invoke(std::forward<F>(fn));
    suspensions.check_none(at);
  } else {
    decltype(auto) result = std::invoke(std::forward<F>(fn));
    suspensions.check_none(at);
    return std::invoke_result_t<F>(std::forward<decltype(result)>(result));
  }
}

}  // namespace weft::testing
