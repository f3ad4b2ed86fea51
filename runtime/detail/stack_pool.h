// StackPool: the memory fibers run on.
//
// Stacks of one size are carved from slabs: [guard][usable ...][colour]. A slab
// is one mapping; with MADV_GUARD_INSTALL (Linux 6.13) its guards cost page-table
// entries and no mappings, so a million guarded stacks fit where mprotect stops
// at 32,753. Older kernels and locked memory get mprotect guards within a budget,
// and a count of what is left unguarded. Invariants:
//
// 1. A slab is never split or returned before the pool dies.
// 2. Free stacks are reused last in, first out: the warmest first. Beyond
//    kWarmMax the coldest give their pages back, a batch per system call.
// 3. A stack's top is shifted by its colour and slabs' stride is an odd number of
//    pages: without, the tops of a hundred thousand equal stacks share cache sets.
// 4. Releasing never fails: room for every stack's return exists when it is made.
// 5. A pool outlives its loop while some stack is in use: a Task may hold a result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/uio.h>
#include <vector>

namespace weft::detail {

class StackPool;

// A stack in use. `high` is aligned to 64 bytes; below `low` lies the guard.
struct StackMemory {
  StackPool* pool = nullptr;
  std::byte* low = nullptr;
  std::byte* high = nullptr;

  std::size_t size() const noexcept { return static_cast<std::size_t>(high - low); }
};

// Ways to make a page fault when a stack overflows into it.
enum class StackGuards {
  kInstall,  // MADV_GUARD_INSTALL: no mapping of its own
  kProtect,  // mprotect: two mappings a stack
  kNone,
};

// What the running kernel offers; probed once.
StackGuards best_stack_guards() noexcept;
// How many mprotect guards the process can afford; they take half of the mappings
// vm.max_map_count allows. All pools draw from it.
std::size_t protect_budget() noexcept;

struct StackStatistics {
  std::size_t stacks = 0;     // carved so far
  std::size_t free = 0;       // of those, not in use
  std::size_t cold = 0;       // of those, without memory behind them
  std::size_t unguarded = 0;  // carved without a guard
};

class StackPool {
 public:
  static constexpr std::size_t kGuardBytes = std::size_t{16} * 1024;
  static constexpr std::size_t kWarmMax = 1024;
  static constexpr std::size_t kBatch = 256;

  // The size a stack of at least `bytes` comes in.
  // Errors: std::bad_alloc for sizes no address space has room for.
  static std::size_t size_class(std::size_t bytes);

  // `protect_max`: how many mprotect guards this pool may take at the most.
  StackPool(std::size_t usable_bytes, StackGuards guards,
            std::size_t protect_max = protect_budget());
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // The loop is done with the pool: deletes it when the last stack is back.
  void retire() noexcept;

  // Errors: std::bad_alloc when the system has no more address space.
  StackMemory acquire() {
    if (warm_.empty()) [[unlikely]]
      refill();
    const StackMemory stack = warm_.back();
    warm_.pop_back();
    return stack;
  }
  void release(const StackMemory& stack) noexcept {
    warm_.push_back(stack);
    if (warm_.size() >= trim_at_) [[unlikely]]
      trim();
  }

  std::size_t usable_bytes() const noexcept { return usable_bytes_; }
  StackStatistics statistics() const noexcept;

 private:
  struct Slab {
    std::byte* memory;
    std::size_t stacks;
  };

  ~StackPool();

  StackMemory stack_at(std::byte* place, std::size_t index) noexcept;
  void refill();
  void add_slab();
  void carve(std::size_t stacks);
  bool protect(const iovec& guard) noexcept;
  void trim() noexcept;

  static constexpr std::size_t kColours = 16;
  static constexpr std::size_t kLine = 64;

  std::size_t usable_bytes_;
  std::size_t stride_bytes_;
  StackGuards guards_;
  std::size_t protect_left_;
  std::size_t protected_ = 0;      // drawn from the process's budget
  std::vector<StackMemory> warm_;  // the last is the warmest
  std::vector<StackMemory> cold_;  // without memory behind them
  std::vector<Slab> slabs_;
  std::vector<unsigned> valgrind_ids_;
  std::size_t carved_of_last_slab_ = 0;
  std::size_t carved_ = 0;
  std::size_t unguarded_ = 0;
  std::size_t trim_at_ = kWarmMax + kBatch;  // 0 once retired
};

struct RetireStackPool {
  void operator()(StackPool* pool) const noexcept { pool->retire(); }
};

}  // namespace weft::detail
