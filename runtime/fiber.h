// What code on a fiber may ask of it.
#pragma once

#include <weft/ctx/async_id.h>

namespace weft {

// Lets the other ready fibers and microtasks run, then goes on.
//
// Context:  fiber
// Suspends: yes, unless nothing else is ready.
// Cancel:   throws Cancelled after it.
void yield();

// The resource whose callback made the running fiber ready this time: the request
// that completed, the timer, the fiber that ended. Its spawner at first; a yield
// does not change it.
//
// Context: fiber; 0 elsewhere.
AsyncId resumed_by() noexcept;

}  // namespace weft
