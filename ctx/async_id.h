// AsyncId: the number of one piece of asynchronous work.
//
// 0 is no context, 1 the first loop's main fiber. The high 16 bits are the loop's
// number, so with one loop ids are the small numbers Node prints; ids grow on a
// loop, and repeat in a process only after 65,536 loops.
//
// Source: Node `executionAsyncId`, `triggerAsyncId`, `executionAsyncResource`.
#pragma once

#include <cstdint>

namespace weft {

class AsyncResource;

using AsyncId = std::uint64_t;

// The id of the resource whose callback or fiber is running; 0 outside of any.
AsyncId execution_async_id() noexcept;

// The id of the resource that caused the running one; 0 outside of any.
AsyncId trigger_async_id() noexcept;

// The running resource itself, or null outside of any.
// Shape: valid until the running callback or fiber ends.
AsyncResource* execution_async_resource() noexcept;

}  // namespace weft
