// CallScope: the one way into user code.
//
// While it lives, a resource is what runs: its frame, its ids, its before and
// after events. Callbacks of the loop, AsyncResource::run_in_async_scope and
// every bound function open one; nothing else does.
//
// Order: frame and ids are in place when `before` is emitted, and still are when
// `after` is: hooks see the resource's context. (Node's runInAsyncScope shows
// its hooks the caller's; its native callbacks do as we do.)
#pragma once

#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

class CallScope {
 public:
  // Enters `resource` in `frame`, which is the resource's own or, for a callback
  // given to an operation, the frame current at the call that took it.
  CallScope(AsyncResource& resource, FrameRef frame);
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  // The innermost scope of the running stack ends first. Another order would give
  // every later event a wrong id: it ends the process, as in Node.
  ~CallScope();

  const Execution& outer() const noexcept { return outer_; }
  Execution& outer() noexcept { return outer_; }

 private:
  Execution& execution_;
  Execution outer_;  // what ran before; its frame reference is ours until we end
};

// A stack with open scopes is left or entered again: emits the `after` of each
// from the innermost out, or the `before` of each from the outermost in, so that
// pairs nest on the thread whatever the stacks do.
void emit_leave(Execution& execution);
void emit_enter(Execution& execution);

}  // namespace weft::detail
