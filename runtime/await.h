// await: the bridge from callbacks to fibers.
//
// Turns an operation that takes a callback into a call that waits:
//
//   int rows = await<int>([&](Callback<int> done) { db.query(sql, std::move(done)); });
//
// The way back, from a callback to code that waits, is spawn().
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/await_state.h>
#include <weft/runtime/result.h>

namespace weft {

// The callback of an operation: called exactly once, on the loop's thread, never
// from inside the call that took it.
template <typename T>
using Callback = UniqueFunction<void(Result<T>)>;

// Calls `start` with a callback and waits until that is called.
//
// `start` may also return std::optional<Result<T>>: with a value the operation
// finished at once, and nothing waits. `abort`, if given, is called once when the
// fiber is cancelled while it waits, and makes the operation call back early; the
// fiber waits for that. Without it the wait cannot be cut short. `what` names the
// wait in reports (Shape: lives as long as the wait).
//
// Context:  fiber
// Suspends: until the callback is called; not when it was before `start` returned.
// Errors:   UsageError outside of a fiber, inside a hook, or when the operation
//           drops the callback uncalled; what `start` throws.
// Cancel:   Cancelled before `start`, or when the operation then fails with
//           std::errc::operation_canceled; an operation that succeeded all the
//           same returns its value.
template <typename T, std::invocable<Callback<T>> Start, std::invocable Abort = detail::NoAbort>
Result<T> await_result(Start&& start, Abort&& abort = {}, const char* what = "await") {
  detail::Fiber& self = detail::fiber_that_may_wait(what);
  detail::AwaitState<T, std::remove_reference_t<Abort>> state(self, what, abort);
  if constexpr (std::is_void_v<std::invoke_result_t<Start, Callback<T>>>) {
    std::invoke(std::forward<Start>(start), Callback<T>(detail::Completer<T>(state)));
  } else {
    auto at_once =
        std::invoke(std::forward<Start>(start), Callback<T>(detail::Completer<T>(state)));
    if (at_once) return *std::move(at_once);
  }
  return std::move(state.wait());
}

// As await_result(), with an error thrown as std::system_error.
template <typename T, std::invocable<Callback<T>> Start, std::invocable Abort = detail::NoAbort>
T await(Start&& start, Abort&& abort = {}, const char* what = "await") {
  return await_result<T>(std::forward<Start>(start), std::forward<Abort>(abort), what).value();
}

}  // namespace weft
