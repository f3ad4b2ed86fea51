// The events of a resource's life, each behind one branch: with no hook enabled
// that branch is all an event costs.
#pragma once

#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

// In hook_table.cpp; called only when some enabled hook listens.
void tell_init(AsyncResource& resource);
void tell_before(AsyncId id);
void tell_after(AsyncId id);
void tell_promise_resolve(AsyncId id);
void tell_destroy(AsyncId id);

inline void emit_init(AsyncResource& resource) {
  if (thread_state.hook_mask & kInitBit) [[unlikely]]
    tell_init(resource);
}
inline void emit_before(AsyncId id) {
  if (thread_state.hook_mask & kBeforeBit) [[unlikely]]
    tell_before(id);
}
inline void emit_after(AsyncId id) {
  if (thread_state.hook_mask & kAfterBit) [[unlikely]]
    tell_after(id);
}
inline void emit_promise_resolve(AsyncId id) {
  if (thread_state.hook_mask & kPromiseResolveBit) [[unlikely]]
    tell_promise_resolve(id);
}
// Queues the event, if some enabled hook wants it at this moment (Node's rule).
inline void queue_destroy(AsyncId id) {
  if (thread_state.hook_mask & kDestroyBit) [[unlikely]]
    tell_destroy(id);
}

}  // namespace weft::detail
