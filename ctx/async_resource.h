// AsyncResource: one piece of asynchronous work, with Node's life.
//
// Everything weft starts is one (timers, requests, handles, fibers). Make your
// own for what weft cannot see: a job in a pool, an entry in a batch. Code run
// through it sees the context in which it was made.
//
//   AsyncResource query("DBQUERY");
//   driver.on_result([&](Rows rows) { query.run_in_async_scope(handler, rows); });
//
// A pooled object lives several times in one memory. Each use is a life of its own:
//
//   void give_back(Connection& c) { c.resource.retire(); idle.push_back(&c); }
//   void take(Connection& c) { c.resource.async_reset(); }  // runs as the taker's from here
//
// A resource is neither copied nor moved: hooks know it by its address. It belongs
// to the loop or the thread it was made on, while that lives: elsewhere its calls throw
// UsageError, and dropping it ends the process (Loop::post gets there). One that dies while another
// fiber is suspended inside its scope leaves execution_async_resource() dangling there: keep it
// until the scope ends. Source: Node `AsyncResource`; destroy comes from ownership, not from a
// collector.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/call_scope.h>
#include <weft/ctx/detail/capture.h>
#include <weft/ctx/detail/emit.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/home.h>
#include <weft/ctx/resource_type.h>

namespace weft {

namespace detail {
struct ResourceAccess;
}

struct AsyncResourceOptions {
  std::optional<AsyncId> trigger = {};  // default: the running resource
  bool manual_destroy = false;          // true: destroy is emitted by emit_destroy() only
};

class AsyncResource {
 public:
  using Options = AsyncResourceOptions;

  // Captures the current context and emits init.
  explicit AsyncResource(ResourceType type, const Options& options = {})
      : async_id_(detail::next_async_id()),
        trigger_async_id_(options.trigger ? *options.trigger : detail::running_async_id()),
        frame_(detail::capture()),
        type_(type),
        manual_destroy_(options.manual_destroy) {
    detail::emit_init(*this);
  }
  AsyncResource(const AsyncResource&) = delete;
  AsyncResource& operator=(const AsyncResource&) = delete;
  // Queues destroy, unless that happened or is manual.
  ~AsyncResource() {
    if (!destroyed_) {
      detail::require_at_home(async_id_, "~AsyncResource");
      if (!manual_destroy_) detail::queue_destroy(async_id_);
    }
    const detail::Execution* const execution = detail::thread_state.execution;
    if (execution == nullptr) return;
    if (execution->resource == this || execution->scope != nullptr) forget_in_scopes();
  }

  // Calls `fn` with `args` in the context of this resource, between its before
  // and after, and returns what `fn` returns. Any number of times, nested as well.
  // Errors: what `fn` throws passes through, behind `after`.
  template <typename F, typename... Args>
  decltype(auto) run_in_async_scope(F&& fn, Args&&... args) {
    detail::check_at_home(async_id_, "AsyncResource::run_in_async_scope");
    const detail::CallScope scope(*this, frame_);
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
  }

  // Returns a callable that runs `fn` through run_in_async_scope.
  // Shape: the resource must outlive it.
  template <typename F>
  auto bind(F fn) {
    return [self = this,
            fn = std::move(fn)]<typename... Args>(Args&&... args) mutable -> decltype(auto) {
      return self->run_in_async_scope(fn, std::forward<Args>(args)...);
    };
  }

  // Queues the destroy event. As in Node, a second call queues a second event.
  AsyncResource& emit_destroy();

  // Ends this life and begins the next in the same memory: queues destroy (once per
  // life, also with manual_destroy), takes a new id and the context of now, emits init.
  // `trigger`: by default the running resource.
  //
  // Inside the resource's own scope (a connection that goes straight to the next
  // waiter) the scope keeps the old life's ids and context to its end.
  // Source: Node `asyncReset`, by which its HTTP agent hands a socket on.
  AsyncResource& async_reset(std::optional<AsyncId> trigger = std::nullopt);

  // Ends this life until async_reset() begins the next: queues destroy (as there), lets
  // go of the context, so that an idle pool keeps no request's values alive. Until then
  // async_id() is 0, and nothing is to be called through the resource.
  // Source: Node's sockets in the agent's free list, whose id is -1.
  void retire() noexcept;

  AsyncId async_id() const noexcept { return async_id_; }
  AsyncId trigger_async_id() const noexcept { return trigger_async_id_; }
  std::string_view type() const noexcept { return type_.name(); }

 private:
  friend struct detail::ResourceAccess;

  struct Unborn {};

 public:
  // For weft's own pools (ResourceAccess): a resource whose life has not begun.
  AsyncResource(ResourceType type, Unborn) noexcept
      : async_id_(0), trigger_async_id_(0), type_(type), destroyed_(true) {}

 private:
  // A resource may die inside its own scope, on the same stack: the scope keeps the
  // ids, not the pointer.
  void forget_in_scopes() noexcept;
  // Ends this life. The context goes last of all: its values may look at us, or own us.
  detail::FrameRef end_life() noexcept;

  AsyncId async_id_;
  AsyncId trigger_async_id_;
  detail::FrameRef frame_;
  ResourceType type_;
  bool manual_destroy_ = false;
  bool destroyed_ = false;
};

}  // namespace weft
