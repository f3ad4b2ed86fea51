// Names the fiber that overflowed its stack before the process dies of it.
#pragma once

#include <cstddef>
#include <memory>

namespace weft::detail {

// While one lives, its thread reports overflows: it has an alternate signal stack
// (the overflowed one has no room for a handler), and the process has the handler.
class OverflowWatch {
 public:
  OverflowWatch();
  OverflowWatch(const OverflowWatch&) = delete;
  OverflowWatch& operator=(const OverflowWatch&) = delete;
  ~OverflowWatch();

 private:
  std::unique_ptr<std::byte[]> signal_stack_;  // null: the thread had one
};

}  // namespace weft::detail
