// Holder: who holds what others wait for, for errors and reports.
#pragma once

#include <cstddef>

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/fiber.h>

namespace weft::detail {

// The first member of its primitive, so that the address names that.
struct Holder {
  const char* name = nullptr;  // the user's, of the primitive; null: none
  AsyncId fiber = 0;           // 0: nobody, or readers
  std::size_t readers = 0;
};

// What primitives that a fiber holds check before they wait or let go; `what` is the call.

// Errors: UsageError when `self`, who wants to hold it, is no fiber.
[[noreturn]] void raise_cannot_hold(const char* what);
inline void check_may_hold(const Fiber* self, const char* what) {
  if (self == nullptr) [[unlikely]]
    raise_cannot_hold(what);
}

// Errors: UsageError when `self` holds it already, or a fiber of another loop does.
[[noreturn]] void raise_cannot_wait_for(const Holder& holder, const Fiber& self, const char* what);
inline void check_may_wait_for(const Holder& holder, const Fiber& self, const char* what) {
  const AsyncId id = self.resource.async_id();
  if (holder.fiber == 0 || (holder.fiber != id && are_of_one_loop(holder.fiber, id))) return;
  raise_cannot_wait_for(holder, self, what);
}

// Whether to let go of it. A callback may, for the holder. False: another fiber or
// nobody holds it, which is no error while a run is being stopped.
// Errors: UsageError, which names both, in that case.
bool ignore_release(const Holder& holder, const Fiber* self, const char* what);
inline bool may_release(const Holder& holder, const char* what) {
  const Fiber* const self = runtime_thread.fiber;
  const AsyncId id = self == nullptr ? holder.fiber : self->resource.async_id();
  if (holder.fiber != 0 && holder.fiber == id) [[likely]]
    return true;
  return ignore_release(holder, self, what);
}

}  // namespace weft::detail
