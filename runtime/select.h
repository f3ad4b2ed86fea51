// select: waits for several things at once, and takes exactly one.
//
//   select(on_receive(jobs, [&](std::optional<Job> job) { work(std::move(job)); }),
//          on_send(results, std::move(result), [&] { result = next(); }),
//          after(100ms, [&] { log("idle"); }));
//
// The others have not happened: nothing was received from them, nothing sent, and
// their values are as they were. Among several that are ready it picks at random, as
// Go does: the first one in the list would starve the others while it stays ready, and
// taking turns would need a memory that follows the call. The sequence is the loop's
// and begins at RunOptions::select_seed, so every run can be repeated. Where nothing is
// ready the one served first is taken; select stands in line with plain sends and
// receives.
//
// Source: Go's select. A channel is closed: on_receive is ready, with nullopt; on_send
// is ready too, and if it is picked select throws. Go's nil channel is when().
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/runtime/channel.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/select_case.h>
#include <weft/runtime/queue.h>

namespace weft {

// Receives from `channel`; `fn` gets the value, or nullopt when that is closed and drained.
template <typename T, std::invocable<std::optional<T>> F>
auto on_receive(Channel<T>& channel, F fn) {
  return detail::ReceiveCase<T, F>(channel, std::move(fn));
}

// Sends `value` to `channel`; `fn` is called when that has happened.
// Shape: an rvalue is moved from only when this case is taken, and must live as long as
//        the select; anything else is copied here.
template <typename T, std::invocable F>
auto on_send(Channel<T>& channel, std::type_identity_t<T>&& value, F fn) {
  return detail::SendCase<T, F>(channel, std::move(value), std::move(fn));
}
template <typename T, std::invocable F>
auto on_send(Channel<T>& channel, const std::type_identity_t<T>& value, F fn) {
  return detail::SendCase<T, F>(channel, value, std::move(fn));
}

// Pops from `queue`; `fn` gets the value, or nullopt when that is closed and drained.
template <typename T, std::invocable<std::optional<T>> F>
auto on_pop(Queue<T>& queue, F fn) {
  return detail::PopCase<T, F>(queue, std::move(fn));
}

// When the select has waited for `delay`; a timer as set_timeout() makes.
template <std::invocable F>
auto after(std::chrono::nanoseconds delay, F fn) {
  return detail::AfterCase<F>(delay, std::move(fn));
}

// When no other case is ready: such a select never waits, and callbacks may use it.
template <std::invocable F>
auto otherwise(F fn) {
  return detail::OtherwiseCase<F>(std::move(fn));
}

// The case only if `condition` holds; else it is never taken.
template <detail::SelectCase Case>
auto when(bool condition, Case&& guarded) {
  static_assert(Case::kWaits, "otherwise() cannot be guarded: leave it out");
  return detail::WhenCase<Case>(condition, guarded);
}

// Takes one case and runs its callback, on this fiber. Returns what that returns, which
// is of one type for all; the index of the case when they return nothing.
//
// Context:  fiber; with otherwise() anywhere on the loop's thread
// Suspends: unless a case is ready or there is an otherwise().
// Errors:   broken_pipe when the case taken is an on_send() of a closed channel; what
//           the callback throws.
// Cancel:   no case has been taken. Once one is, its callback runs, and the next wait
//           throws Cancelled.
template <detail::SelectCase First, detail::SelectCase... Rest>
auto select(First&& first, Rest&&... rest) {
  constexpr std::size_t kCount = 1 + sizeof...(Rest);
  constexpr std::size_t kOtherwise = (!First::kWaits + ... + !Rest::kWaits);
  static_assert(kCount <= 64, "a select has at most 64 cases");
  static_assert(kOtherwise <= 1, "a select has at most one otherwise()");
  using R = detail::CaseResult<First>;
  static_assert((std::is_same_v<R, detail::CaseResult<Rest>> && ...),
                "the callbacks of a select return the same type");

  const detail::Chosen chosen = [&]() -> detail::Chosen {
    if constexpr (kOtherwise == 1) {
      const std::size_t ready = detail::poll_cases(first, rest...);
      return {ready < kCount ? ready : detail::index_of_otherwise<First, Rest...>(),
              detail::Waiter::State::kServed};
    } else {
      detail::Fiber& self = detail::fiber_that_may_wait("select");
      const std::size_t ready = detail::poll_cases(first, rest...);
      if (ready < kCount) return {ready, detail::Waiter::State::kServed};
      return detail::wait_for_case(self, first, rest...);
    }
  }();
  if constexpr (std::is_void_v<R>) {
    detail::finish_case<void>(chosen, first, rest...);
    return chosen.index;
  } else {
    return detail::finish_case<R>(chosen, first, rest...);
  }
}

}  // namespace weft
