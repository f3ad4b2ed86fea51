// What the owners of handles share: reaching the block, and starting leaves.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/error.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/handle.h>

namespace weft::detail {

class Stream;

[[noreturn]] void raise_moved_from(const char* what);
[[noreturn]] void raise_other_thread(const char* what);

// The block of an owner, for a call named `what`.
// Errors: UsageError when the owner was moved from, or belongs to another thread's loop.
template <typename T, typename Drop>
T& block_of(const std::unique_ptr<T, Drop>& owner, const char* what) {
  if (owner == nullptr) [[unlikely]]
    raise_moved_from(what);
  if (&owner->loop() != runtime_thread.loop && !owner->is_closed()) [[unlikely]]
    raise_other_thread(what);
  return *owner;
}

// A stream's block as what a derived owner needs; another kind was moved in otherwise.
// Errors: UsageError, which names the kind.
[[noreturn]] void raise_other_kind(const char* what, const char* kind);
template <typename T, typename Block>
T& block_as(Block& block, const char* what, const char* kind) {
  if (auto* const found = dynamic_cast<T*>(&block)) return *found;
  raise_other_kind(what, kind);
}

// `block`, made by the user's code at `at`.
template <typename BlockPtr>
BlockPtr made_at(const SourceLocation& at, BlockPtr block) {
  block->set_created_at(at);
  return block;
}

// What triggers the tick of a result that was there at once, as in Node: a stream's is one
// more tick of its caller's, any other is the handle's.
inline AsyncId trigger_of_tick(const Handle& handle) noexcept {
  return handle.resource().async_id();
}
inline AsyncId trigger_of_tick(const Stream&) noexcept {
  return running_async_id();
}

// The callback form of a leaf: a result that was there at once comes on the next tick.
template <typename T, typename Block, typename Leaf>
void start_leaf(Block& block, Callback<T> done, Leaf&& leaf) {
  std::optional<Result<T>> at_once = leaf(Done<T>(done));
  if (!at_once) return;
  complete_soon(EventLoop::current("io"), trigger_of_tick(block), std::move(done),
                *std::move(at_once));
}

// How the modules of io/ make public streams, listeners and sockets of blocks, and reach
// those.
struct StreamAccess {
  template <typename Owner, typename Block>
  static Owner make(Block block) {
    return Owner(typename Owner::Block(std::move(block)));
  }
  template <typename Owner>
  static auto& block(const Owner& owner, const char* what) {
    return block_of(owner.block_, what);
  }
};

}  // namespace weft::detail
