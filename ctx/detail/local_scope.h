// Setting one local in the running stack's frame, and taking it back.
#pragma once

#include <utility>

#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

// Each takes over the reference to `value`; null hides the local's default.
void set_local(LocalId local, Value* value);
void unset_local(LocalId local);

// Sets a local while it lives. Restores that local only: what enter_with did to
// others inside stays (Node's rule).
class LocalScope {
 public:
  LocalScope(LocalId local, Value* value);
  LocalScope(LocalScope&& other) noexcept
      : execution_(other.execution_),
        local_(other.local_),
        outer_(other.outer_),
        mine_(std::exchange(other.mine_, nullptr)) {}
  // A scope that is assigned to would end behind the beginning of the next one, out of order.
  LocalScope& operator=(LocalScope&&) = delete;
  ~LocalScope() {
    if (mine_ == nullptr) return;
    if (execution_.frame == mine_) [[likely]] {
      execution_.frame = outer_;
      mine_->release();
    } else {
      restore_one();
    }
    mine_->release();
  }

 private:
  void restore_one() noexcept;

  Execution& execution_;
  LocalId local_;
  Frame* outer_;  // own reference
  // Own reference: a replaced frame must not give its address to a later one. Null: moved from.
  Frame* mine_;
};

}  // namespace weft::detail
