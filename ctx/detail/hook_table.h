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

#include <weft/ctx/detail/emit.h>
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
  void set_error_policy(HookErrors policy) noexcept { errors_ = policy; }

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

// Delivers the queued destroy events, and those their hooks queue. The loop calls
// this in its check phase; a thread without a loop, whenever it likes.
inline void drain_destroys() {
  if (thread_state.hooks != nullptr && thread_state.hooks->has_destroys()) [[unlikely]] {
    thread_state.hooks->drain_destroys();
  }
}

}  // namespace weft::detail
