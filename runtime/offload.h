// offload: runs what blocks on another thread, and waits for it.
//
//   std::string hash = offload([&] { return bcrypt(password); });
//
// The function sees its caller's context: a copy whose values the two threads share, so
// that logs, the deadline (remaining()) and Loop::post keep the request. Values set
// inside it stay there. It may not touch the loop, fibers, streams or timers; those
// belong to the loop's thread, and a call that needs them throws UsageError.
//
// It is a resource of type OFFLOAD: init here, before and after around what comes back.
//
// Source: libuv's uv_queue_work, on pools of our own (pool.h).
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/offload_work.h>
#include <weft/runtime/pool.h>

namespace weft {

namespace detail {

template <typename F>
using OffloadResult = std::decay_t<std::invoke_result_t<F&>>;

}  // namespace detail

struct OffloadOptions {
  // Whoever is cancelled goes at once, and a function that runs ends unheard: nobody gets
  // what it returns or throws, and neither run() nor the end of the process waits for it.
  // So it must own all it touches, or share it with shared_ptr.
  bool abandon_on_cancel = false;
};

// Calls `fn` on a thread of `pool`, or of Pool::cpu(); returns what it returns.
//
// Context:  fiber; the form with `done`: loop thread
// Suspends: the form without `done`, always, until `fn` has returned.
// Shape:    without `done`, what `fn` refers to may be on the fiber's stack: nothing
//           returns before it has ended. With `done`, `fn` is moved and destroyed on the
//           loop's thread.
// Errors:   what `fn` throws; with `done`, as an Error whose value() throws it.
//           resource_unavailable_try_again when the pool's queue is full, or no thread
//           can be started.
// Cancel:   `fn` is not called when it had not begun. One that runs is waited for, and
//           what it returns is returned; let it look at is_cancelled(). With `options`:
//           see there.
template <std::invocable F>
auto offload(Pool& pool, F&& fn) {
  using T = detail::OffloadResult<F>;
  detail::OffloadedFunction<T, F&> call(fn);
  detail::wait_offloaded(pool, call);
  return call.take().value();
}
template <std::invocable F>
auto offload(F&& fn) {
  return offload(Pool::cpu(), std::forward<F>(fn));
}
// With `options`, `fn` is moved, and destroyed on whichever thread needs it last.
template <std::invocable F>
auto offload(Pool& pool, F fn, const OffloadOptions& options) {
  if (!options.abandon_on_cancel) return offload(pool, fn);
  using T = detail::OffloadResult<F>;
  auto call = std::make_shared<detail::OffloadedFunction<T, F>>(std::move(fn));
  detail::wait_abandonable(pool, call);
  return call->take().value();
}
template <std::invocable F>
auto offload(F fn, const OffloadOptions& options) {
  return offload(Pool::cpu(), std::move(fn), options);
}
template <std::invocable F>
void offload(Pool& pool, F fn, Callback<detail::OffloadResult<F>> done) {
  using T = detail::OffloadResult<F>;
  detail::require_callback(done, "offload");
  auto call = std::make_unique<detail::OffloadedFunction<T, F>>(std::move(fn));
  auto& started = *call;
  detail::start_offloaded(
      pool, started,
      [call = std::move(call), done = std::move(done)](const Result<void>& ended) mutable {
        ended ? done(call->take()) : done(ended.failure());
      });
}
template <std::invocable F>
void offload(F fn, Callback<detail::OffloadResult<F>> done) {
  offload(Pool::cpu(), std::move(fn), std::move(done));
}

}  // namespace weft
