// Names what overflowed its stack before the process dies of it: a fiber, or the function
// that a pool's thread runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::detail {

// While one lives, its thread reports overflows: it has an alternate signal stack
// (the overflowed one has no room for a handler), and the process has the handler.
class OverflowWatch {
 public:
  // Of the fibers of the thread's loop.
  OverflowWatch() noexcept;
  // Of the running thread's own stack; `pool`, which outlives it, is the name of its pool.
  explicit OverflowWatch(const char* pool) noexcept;
  OverflowWatch(const OverflowWatch&) = delete;
  OverflowWatch& operator=(const OverflowWatch&) = delete;
  ~OverflowWatch();

 private:
  void* signal_stack_ = nullptr;  // null: the thread had one
  bool is_pools_ = false;
};

}  // namespace weft::detail
