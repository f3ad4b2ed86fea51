// ThreadState: what ctx/ knows of the running thread, and Execution, what it
// knows of the running stack.
//
// Every stack (the thread's own, each fiber's) has one Execution: the current
// frame, the resource it works for, the open call scopes. Leaving a stack
// exchanges one pointer, ThreadState::execution, so no id stack can be torn
// apart by a switch (node-fibers' bug: one id stack for all stacks).
//
// thread_state is constinit with the initial-exec model: reading it is one
// instruction, no guard, no call. Its members are therefore trivial; what needs
// a destructor hangs behind a pointer and dies in execution.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>

#include <weft/ctx/async_id.h>

namespace weft {

class AsyncResource;

namespace detail {

class CallScope;
class Frame;
class HookTable;
struct FreeBlock;

// Blocks of fewer units of 16 bytes than this are kept for the next one of their size.
inline constexpr std::size_t kPooledBlockSizes = 18;

struct KeptBlocks {
  FreeBlock* first = nullptr;
  std::uint32_t count = 0;
};

struct Execution {
  Frame* frame = nullptr;             // an own reference; null: the empty frame
  AsyncResource* resource = nullptr;  // null: no resource, or it is gone
  AsyncId async_id = 0;
  AsyncId trigger_async_id = 0;
  CallScope* scope = nullptr;  // the innermost open one on this stack
};

// One bit per event that at least one enabled hook listens to.
enum HookBit : std::uint32_t {
  kInitBit = 1,
  kBeforeBit = 2,
  kAfterBit = 4,
  kDestroyBit = 8,
  kPromiseResolveBit = 16,
};

// Not 0: the ids of the first loop begin after 0.
constexpr AsyncId kNoIdSource = ~AsyncId{0};

struct ThreadState {
  Execution* execution = nullptr;  // null: nothing has run on this thread yet
  AsyncId last_async_id = kNoIdSource;
  std::uint32_t number = 0;                        // the thread's, for home.h; 0: it has none yet
  std::uint32_t hook_mask = 0;                     // HookBits; 0 is the fast path
  std::uint32_t hooks_running = 0;                 // depth of hook emissions
  HookTable* hooks = nullptr;                      // null: no hook was ever made on this thread
  void (*hooks_changed)() = nullptr;               // tells the layer above that hook_mask did
  KeptBlocks kept_blocks[kPooledBlockSizes] = {};  // by size in units; see block_pool.h
  bool keeps_blocks = false;     // from the thread's first Execution until it ends
  std::int64_t live_frames = 0;  // made minus destroyed; the test harness wants 0
  // Gives an error nobody may catch to the layer above; null: it is printed. See fail_later.h.
  void (*fail_later)(const std::exception_ptr& error) = nullptr;
};

// initial-exec: libraries of ours are linked into programs, not loaded late by the thousand.
#if defined(__GNUC__) && !defined(_WIN32)
__attribute__((tls_model("initial-exec")))
#endif
extern constinit thread_local ThreadState thread_state;

void free_kept_blocks() noexcept;

// The running stack's Execution; makes the thread's own on first use.
Execution& make_thread_execution();
inline Execution& current_execution() {
  Execution* const execution = thread_state.execution;
  return execution != nullptr ? *execution : make_thread_execution();
}

inline AsyncId running_async_id() noexcept {
  const Execution* const execution = thread_state.execution;
  return execution == nullptr ? 0 : execution->async_id;
}

// An id has its loop's number above these bits, so that ids of several loops differ.
inline constexpr int kLoopNumberShift = 48;
inline bool are_of_one_loop(AsyncId a, AsyncId b) noexcept {
  return (a ^ b) >> kLoopNumberShift == 0;
}
inline bool is_of_running_loop(AsyncId id) noexcept {
  return are_of_one_loop(id, thread_state.last_async_id);
}

// Draws ids of a loop of its own while it lives.
class IdSource {
 public:
  IdSource();
  IdSource(const IdSource&) = delete;
  IdSource& operator=(const IdSource&) = delete;
  ~IdSource();

 private:
  AsyncId outer_;
};

AsyncId start_thread_ids();
inline AsyncId next_async_id() {
  if (thread_state.last_async_id == kNoIdSource) [[unlikely]] {
    thread_state.last_async_id = start_thread_ids();
  }
  return ++thread_state.last_async_id;
}

}  // namespace detail
}  // namespace weft
