// Whose an object is. Frames, lists and counts have no locks: what weft makes belongs to
// the loop, or outside of loops to the thread, that it was made in, for as long as that
// lives. One rule for all: a call from elsewhere throws UsageError and has changed nothing;
// one that may not throw ends the process, and both say where to go.
//
// An id tells whose it is: each loop, and each thread without one, draws from a source
// of its own (thread_state.h). What outlives its source is whoever's has it.
#pragma once

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

// Whether `source`, the number of one, is the running thread's or nobody's any more.
bool is_own_source(AsyncId source) noexcept;

// The same of what has this id. 0: nobody's.
inline bool is_at_home(AsyncId id) noexcept {
  return is_of_running_loop(id) || id == 0 || is_own_source(id >> kLoopNumberShift);
}
// An id of whose is made now.
inline AsyncId home_of_now() {
  if (thread_state.last_async_id == kNoIdSource) [[unlikely]] {
    thread_state.last_async_id = start_thread_ids();
  }
  return thread_state.last_async_id;
}

[[noreturn]] void raise_elsewhere(const char* what);
[[noreturn]] void die_elsewhere(const char* what) noexcept;

// Errors: UsageError, which names `what`.
inline void check_at_home(AsyncId id, const char* what) {
  if (!is_at_home(id)) [[unlikely]]
    raise_elsewhere(what);
}
inline void require_at_home(AsyncId id, const char* what) noexcept {
  if (!is_at_home(id)) [[unlikely]]
    die_elsewhere(what);
}

}  // namespace weft::detail
