// HookTable: the hooks of one thread and the destroy events not yet delivered.
//
// Invariants (Node's, lib/internal/async_hooks.js):
//
// 1. `active_` never changes while an emission runs. Hooks enabled or disabled
//    meanwhile change a copy, which takes over when the outermost emission ends.
// 2. Hooks run in the order they were enabled, for every kind of event.
// 3. An event is emitted only behind its bit in ThreadState::hook_mask: with no
//    hook enabled each costs that one branch.
// 4. destroy is never synchronous: ids queue until drain_destroys().
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/hooks.h>

namespace weft::detail {

class HookTable {
 public:
  using Hooks =
      std::vector<std::shared_ptr<HookCallbacks>>;  // owners: the AsyncHook, and a running emission

  static HookTable& of_this_thread();

  void enable(const std::shared_ptr<HookCallbacks>& hook);
  void disable(const std::shared_ptr<HookCallbacks>& hook);
  bool is_enabled(const std::shared_ptr<HookCallbacks>& hook) const;
  void set_error_policy(HookErrors policy) noexcept { errors_ = policy; }
  HookErrors error_policy() const noexcept { return errors_; }

  void emit_init(AsyncResource& resource);
  void emit(UniqueFunction<void(AsyncId)> HookCallbacks::*event, AsyncId id);
  void queue_destroy(AsyncId id) { destroys_.push_back(id); }
  bool has_destroys() const noexcept { return !destroys_.empty(); }
  std::size_t destroys() const noexcept { return destroys_.size(); }
  void drain_destroys();

 private:
  template <typename Call>
  void emit_to_all(Call&& call);
  Hooks& editable();
  void commit(Hooks hooks);
  void failed(const std::shared_ptr<HookCallbacks>& hook);

  Hooks active_;
  std::optional<Hooks> next_;  // set while hooks are being changed inside an emission
  std::vector<AsyncId> destroys_;
  HookErrors errors_ = HookErrors::kExit;
};

inline void emit_init(AsyncResource& resource) {
  if (thread_state.hook_mask & kInitBit) [[unlikely]]
    thread_state.hooks->emit_init(resource);
}
inline void emit_before(AsyncId id) {
  if (thread_state.hook_mask & kBeforeBit) [[unlikely]] {
    thread_state.hooks->emit(&HookCallbacks::before, id);
  }
}
inline void emit_after(AsyncId id) {
  if (thread_state.hook_mask & kAfterBit) [[unlikely]] {
    thread_state.hooks->emit(&HookCallbacks::after, id);
  }
}
inline void emit_promise_resolve(AsyncId id) {
  if (thread_state.hook_mask & kPromiseResolveBit) [[unlikely]] {
    thread_state.hooks->emit(&HookCallbacks::promise_resolve, id);
  }
}
// Queues the event, if some enabled hook wants it at this moment (Node's rule).
inline void queue_destroy(AsyncId id) {
  if (thread_state.hook_mask & kDestroyBit) [[unlikely]]
    thread_state.hooks->queue_destroy(id);
}

// Delivers the queued destroy events, and those their hooks queue. The loop calls
// this in its check phase; a thread without a loop, whenever it likes.
inline void drain_destroys() {
  if (thread_state.hooks != nullptr && thread_state.hooks->has_destroys()) [[unlikely]] {
    thread_state.hooks->drain_destroys();
  }
}

}  // namespace weft::detail
