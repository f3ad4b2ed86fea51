// next_tick and queue_microtask: right after the running callback.
//
// When the loop's outermost callback returns, all ticks run, then microtasks and
// ready fibers in FIFO order, again until none is left. Each runs in the context
// of the call that queued it.
//
// Ticks that queue ticks for ever keep everything else from running: no drain ends before
// the last of them. What begins itself again is an immediate or a microtask, which leave
// timers and I/O their turn.
// Source: Node `process.nextTick`, `queueMicrotask`.
#pragma once

#include <weft/ctx/unique_function.h>

namespace weft {

// Context: loop thread
// Order:   ticks run in the order queued, before every microtask and fiber.
// Errors:  UsageError outside of a loop.
void next_tick(UniqueFunction<void()> callback);

// Context: loop thread
// Order:   with the fibers that are ready, in the order queued.
// Errors:  UsageError outside of a loop.
void queue_microtask(UniqueFunction<void()> callback);

}  // namespace weft
