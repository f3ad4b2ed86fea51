// Hooks: what instrumentation sees of the life of every resource.
//
// The C++ spelling of Node's async_hooks.createHook.
//
//   auto hook = create_hook({.init = [](AsyncId id, std::string_view type, AsyncId trigger,
//                                       AsyncResource&) { note(id, type, trigger); }});
//   hook.enable();
//
// A hook belongs to the thread that enables it. With none enabled an event costs
// one branch. destroy events are delivered by the thread's loop.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>

namespace weft {

class AsyncResource;

// The events of a resource's life. Members left empty are not called.
//
// Order:   init once; before and after in nested pairs, any number of times;
//          promise_resolve when a fiber's or promise's result is set; destroy once,
//          never from inside the call that ended the resource.
// Suspends: a hook may not wait; a call that would throws UsageError.
// Errors:  see HookErrors for a hook that throws.
struct HookCallbacks {
  // `resource` may be half built: its ids and type are in place, its owner is not.
  UniqueFunction<void(AsyncId id, std::string_view type, AsyncId trigger, AsyncResource& resource)>
      init = {};
  UniqueFunction<void(AsyncId id)> before = {};
  UniqueFunction<void(AsyncId id)> after = {};
  UniqueFunction<void(AsyncId id)> destroy = {};
  UniqueFunction<void(AsyncId id)> promise_resolve = {};
};

// What happens when a hook throws.
enum class HookErrors {
  kExit,     // Node's rule: the error is printed and the process ends with status 1
  kDisable,  // trio's rule: the error is printed and that hook is disabled
};

// An owner of a hook. Dropping it disables the hook.
class AsyncHook {
 public:
  explicit AsyncHook(HookCallbacks callbacks);
  AsyncHook(AsyncHook&&) noexcept = default;
  AsyncHook& operator=(AsyncHook&& other) noexcept;
  ~AsyncHook();

  // Starts or stops the events; both are idempotent and return the hook. From
  // inside a hook they take effect when the outermost emission ends.
  // Context: loop thread
  AsyncHook& enable();
  AsyncHook& disable();

 private:
  std::shared_ptr<HookCallbacks> callbacks_;  // shared with an emission that runs
};

// Returns a hook that is not enabled yet.
// Source: Node `async_hooks.createHook`.
AsyncHook create_hook(HookCallbacks callbacks);

}  // namespace weft
