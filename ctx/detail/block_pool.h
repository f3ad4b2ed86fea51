// Blocks: memory for frames and values, kept by the thread for the next of its size.
//
// run() makes and drops a frame and a value for every request. What one thread
// makes and another drops (Loop::post) must not pile up there: each size keeps
// kKeptMax blocks at most. Not under AddressSanitizer, which would not see a
// stale frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kKeepsBlocks = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kKeepsBlocks = false;
#else
inline constexpr bool kKeepsBlocks = true;
#endif
#else
inline constexpr bool kKeepsBlocks = true;
#endif

inline constexpr std::size_t kBlockUnit = 16;
inline constexpr std::uint32_t kKeptMax = 256;

struct FreeBlock {
  FreeBlock* next;
};

inline void* allocate_block(std::size_t bytes) {
  const std::size_t units = (bytes + kBlockUnit - 1) / kBlockUnit;
  if (kKeepsBlocks && units < kPooledBlockSizes) {
    KeptBlocks& kept = thread_state.kept_blocks[units];
    if (FreeBlock* const first = kept.first) [[likely]] {
      kept.first = first->next;
      --kept.count;
      return first;
    }
  }
  return ::operator new(units* kBlockUnit);
}

inline void free_block(void* block, std::size_t bytes) noexcept {
  const std::size_t units = (bytes + kBlockUnit - 1) / kBlockUnit;
  if (kKeepsBlocks && units < kPooledBlockSizes && thread_state.keeps_blocks) [[likely]] {
    KeptBlocks& kept = thread_state.kept_blocks[units];
    if (kept.count < kKeptMax) [[likely]] {
      kept.first = ::new (block) FreeBlock{kept.first};
      ++kept.count;
      return;
    }
  }
  ::operator delete(block);
}

}  // namespace weft::detail
