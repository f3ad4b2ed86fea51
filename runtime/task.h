// spawn and Task: starting a fiber, and holding on to it.
//
//   Task<int> sum = spawn([] { return 1 + 2; });
//   spawn([] { log("nobody waits for me"); });  // a dropped Task lets its fiber go on
//   use(sum.join());
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/typed_fiber.h>
#include <weft/runtime/source_location.h>
#include <weft/runtime/spawn_options.h>

namespace weft {

namespace detail {

template <typename F>
inline constexpr bool kNever = false;

// What nobody gives to spawn() behind a function but by mistake.
template <typename T>
concept ArgumentOfFunction = !std::is_convertible_v<T, const SpawnOptions&> &&
                             !std::is_convertible_v<T, const SourceLocation&>;

}  // namespace detail

// An owner of a fiber's result. Dropping it detaches: the fiber runs on, its
// result is dropped, and an error of its goes to the uncaught handler. While it
// is held, it holds the fiber's stack. It belongs to the loop: on another thread join()
// throws UsageError, and cancelling or dropping it ends the process (Loop::post gets
// there). After the loop's end it may only be dropped.
template <typename T>
class Task {
 public:
  explicit Task(detail::Fiber& fiber) noexcept : fiber_(&fiber) {}
  Task(Task&& other) noexcept : fiber_(std::exchange(other.fiber_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      detach();
      fiber_ = std::exchange(other.fiber_, nullptr);
    }
    return *this;
  }
  ~Task() { detach(); }

  // Waits until the fiber has ended; returns its result, once. The Task may be dropped
  // meanwhile, as another fiber could: the join goes on.
  //
  // Context:  fiber
  // Suspends: unless it has ended.
  // Errors:   what the fiber threw; std::errc::operation_canceled when it was
  //           cancelled; UsageError for a second join.
  // Cancel:   Cancelled; the joined fiber goes on and can be joined again.
  T join() {
    detail::Fiber& fiber = held("join");
    detail::wait_ended(fiber);
    const detail::Joining joining(fiber);
    return detail::take_result<T>(fiber);
  }

  // Asks the fiber to end: cancels its outermost scope (cancel_scope.h), so that its
  // next suspension point outside of a shield, and each after it, throws Cancelled. A
  // wait that can be ended early is.
  void cancel() noexcept {
    if (fiber_ == nullptr) return;
    detail::require_own_loop(*fiber_, "Task::cancel");
    detail::cancel(*fiber_);
  }

  // Lets the fiber go, as dropping the Task does.
  void detach() noexcept {
    if (fiber_ == nullptr) return;
    detail::require_own_loop(*fiber_, "Task::detach");
    detail::detach(*std::exchange(fiber_, nullptr));
  }

  // Whether the fiber has ended.
  bool done() const { return held("done").has_ended(); }
  AsyncId async_id() const { return held("async_id").resource.async_id(); }

 private:
  detail::Fiber& held(const char* what) const {
    if (fiber_ == nullptr) [[unlikely]]
      detail::raise_no_task(what);
    return *fiber_;
  }

  detail::Fiber* fiber_;
};

// Starts `fn` on a fiber of its own, in the current context; it first runs when
// the caller suspends or returns to the loop.
//
// Context: fiber, loop thread
// Errors:  std::bad_alloc when there is no memory for a stack; UsageError outside
//          of a loop, or when `fn` is too large for the stack.
// Order:   fibers first run in the order they were spawned.
template <std::invocable F>
auto spawn(F fn, const SourceLocation& at = SourceLocation::current()) {
  using T = std::decay_t<std::invoke_result_t<F&>>;
  return Task<T>(detail::spawn_fiber<T, F>(fn, nullptr, at));
}
template <std::invocable F>
auto spawn(F fn, const SpawnOptions& options,
           const SourceLocation& at = SourceLocation::current()) {
  using T = std::decay_t<std::invoke_result_t<F&>>;
  return Task<T>(detail::spawn_fiber<T, F>(fn, &options, at));
}
// Not to be had: it says what to write instead.
template <typename F, detail::ArgumentOfFunction Argument, typename... More>
void spawn(F&& /*fn*/, Argument&& /*argument*/, More&&... /*more*/) {
  static_assert(detail::kNever<F>,
                "spawn takes a function without arguments: spawn([=] { fn(argument); })");
}

}  // namespace weft
