// Snapshot, bind, detached: carrying a context by hand.
//
//   auto on_row = bind([](Row row) { log(row); });  // runs where bind was called
//   const auto here = Snapshot::capture();          // later: here(fn, args...)
//
// weft's own operations do this themselves; these are for callbacks given to
// somebody else's queue or library, which calls them on the same thread. On another
// one they throw UsageError, and drop the last copy only to end the process: there is
// Loop::post.
//
// What has captured a context owns its values. One that is kept in such a value (a bound
// function, a Snapshot, an AsyncResource, a timer that has not fired, kept in the store
// of the request that made it) is a circle: nobody collects it, as Node's collector
// would. Make it with detached(), or drop it when the request ends; live_frames() tells
// whether a program does.
// Source: Node `AsyncLocalStorage.bind`, `AsyncLocalStorage.snapshot`.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft {

// The context of one moment. Calling it runs a function there, as a resource of
// type bound-anonymous-fn, and restores the whole context afterwards. Copies share the
// context and the resource, which ends with the last of them.
class Snapshot {
 public:
  // Captures the current context.
  static Snapshot capture() { return Snapshot(); }

  // Calls `fn` with `args` in the captured context; returns what `fn` returns.
  template <typename F, typename... Args>
  decltype(auto) operator()(F&& fn, Args&&... args) const {
    return resource_->run_in_async_scope(std::forward<F>(fn), std::forward<Args>(args)...);
  }

  AsyncId async_id() const noexcept { return resource_->async_id(); }

 private:
  Snapshot() : resource_(std::make_shared<AsyncResource>("bound-anonymous-fn")) {}

  std::shared_ptr<AsyncResource> resource_;  // of all copies
};

// Returns a callable that runs `fn` in the context of this moment. It can be copied if
// `fn` can, as std::function asks; each copy has an `fn` of its own.
template <typename F>
auto bind(F fn) {
  return [snapshot = Snapshot::capture(),
          fn = std::move(fn)]<typename... Args>(Args&&... args) mutable -> decltype(auto) {
    return snapshot(fn, std::forward<Args>(args)...);
  };
}

// How many contexts with something in them this thread holds: one for each run(), scope() or
// enter_with() that something which lives still refers to. For a metric: a server at rest
// comes back to the same number.
std::size_t live_frames() noexcept;

// Calls `fn` with `args` in the empty context. For what outlives the request that
// happens to start it (a cache's timer, a pooled connection): started here, it
// keeps none of the request's values alive and sees none of them.
template <typename F, typename... Args>
decltype(auto) detached(F&& fn, Args&&... args) {
  struct Restore {
    detail::Execution& execution = detail::current_execution();
    detail::Frame* const outer = std::exchange(execution.frame, nullptr);
    ~Restore() { const auto left = detail::FrameRef::adopt(std::exchange(execution.frame, outer)); }
  };
  const Restore restore;
  return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
}

}  // namespace weft
