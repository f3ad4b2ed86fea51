// Scope: the live part of a cancel scope, and how a cancellation reaches fibers.
//
// Every fiber has an outermost scope, which Task::cancel cancels and which no
// object stands for: it is a bit of the record. The scopes that a fiber has
// entered are a chain, innermost first, behind Fiber::scope; below them lies the
// scope of the task group the fiber was spawned in, if any. A group's scope knows
// the fibers spawned in it. Chains and members make the tree. Invariants:
//
// 1. A scope with an owner is in its owner's chain; scopes end innermost first.
// 2. Fiber::kCancelRequested is set while a cancelled scope can be seen from where
//    the fiber is: none between the two is shielded. It is all that a suspension
//    point looks at.
// 3. What changes a scope (a cancel, a shield, a deadline) brings that bit and the
//    views up to date for every fiber below, first; then it aborts waits. Aborting
//    is user code, which may change scopes again; no fiber runs meanwhile.
// 4. A view outlives its scope: contexts hold it, on any thread. Only the loop's
//    thread writes it, and only while the scope lives.
//
// The tree and the rule of who catches are trio's (_core/_run.py, CancelStatus).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <weft/ctx/detail/block_pool.h>
#include <weft/ctx/detail/local_scope.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/home.h>
#include <weft/runtime/detail/timer_wheel.h>

namespace weft::detail {

using ScopeClock = std::chrono::steady_clock;
inline constexpr ScopeClock::time_point kNoDeadline = ScopeClock::time_point::max();

class Group;

// What the context carries of a scope: what its enclosing scopes make of it.
class ScopeView final : public Value {
 public:
  ScopeView() noexcept : Value(&kOperations) {}
  static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { free_block(block, bytes); }

  ScopeClock::time_point deadline() const noexcept {
    return ScopeClock::time_point(ScopeClock::duration(deadline_.load(std::memory_order_relaxed)));
  }
  bool is_cancelled() const noexcept { return is_cancelled_.load(std::memory_order_relaxed); }
  void set(ScopeClock::time_point deadline, bool cancelled) noexcept {
    deadline_.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
    is_cancelled_.store(cancelled, std::memory_order_relaxed);
  }

 private:
  static void destroy(Value* value) noexcept { delete static_cast<ScopeView*>(value); }
  static constexpr Operations kOperations{&destroy, nullptr};

  std::atomic<ScopeClock::rep> deadline_ = kNoDeadline.time_since_epoch().count();
  std::atomic<bool> is_cancelled_ = false;
};

// The context's local whose values are ScopeViews.
LocalId scope_local() noexcept;
// The view in the running stack's context; null outside of every scope. `local` is
// scope_local(), for those who ask often.
inline ScopeView* current_view(LocalId local) noexcept {
  const Execution* const execution = thread_state.execution;
  if (execution == nullptr || execution->frame == nullptr) return nullptr;
  const Frame::Entry* const entry = execution->frame->find(local);
  return entry == nullptr ? nullptr : static_cast<ScopeView*>(entry->value);
}
inline ScopeView* current_view() noexcept {
  return current_view(scope_local());
}

// Its node is armed for the deadline while the scope is entered.
struct Scope : TimerWheel::Node {
  Scope() noexcept : Node(Kind::kDeadline) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() = default;

  Scope* parent = nullptr;    // the next one outwards: its owner's, or the owner's group's
  Fiber* owner = nullptr;     // the fiber inside; null: nobody is
  ScopeView* view = nullptr;  // while entered
  Group* group = nullptr;     // whose scope this is; null: no group's
  ScopeClock::time_point deadline = kNoDeadline;
  // Of the context the owner was spawned in, where that is not its own scope's.
  ScopeClock::time_point inherited_deadline = kNoDeadline;
  std::shared_ptr<const std::string> reason;  // shared with each Cancelled it throws
  unsigned entered_uncaught = 0;  // exceptions in flight on the owner's stack at the entry
  bool is_shielded = false;
  bool was_entered = false;
  bool cancel_called = false;
  bool cancelled_caught = false;
  Home home;
};

// Each does what the public CancelScope says of it.
void cancel(Scope& scope, std::string_view reason) noexcept;
void set_deadline(Scope& scope, ScopeClock::time_point deadline) noexcept;
void set_shield(Scope& scope, bool shielded) noexcept;
// Cancels a scope whose deadline has passed though its timer has not fired yet.
bool is_cancel_called(Scope& scope) noexcept;

// The wheel's: its deadline has come.
void deadline_passed(Scope& scope) noexcept;

// Whether a Cancelled that arrives at `scope`, which is still entered, ends there.
bool is_own_cancel(const Scope& scope) noexcept;

// The running fiber is inside `scope` while this lives, and so is its context.
class ScopeEntry {
 public:
  // Errors: UsageError outside of a fiber, and for a scope entered before.
  ScopeEntry(Scope& scope, const char* what);
  ScopeEntry(const ScopeEntry&) = delete;
  ScopeEntry& operator=(const ScopeEntry&) = delete;
  ~ScopeEntry();

 private:
  Scope& scope_;
  LocalScope context_;
};

// `fiber`, which is new, begins below `scope`.
inline void begin_below(Scope& scope, Fiber& fiber) noexcept {
  fiber.scope = &scope;
  if (scope.view->is_cancelled()) [[unlikely]]
    fiber.attention |= Fiber::kCancelRequested;
  if (scope.view->deadline() != kNoDeadline) [[unlikely]]
    fiber.attention |= Fiber::kUnderDeadline;
}

// The deadline that counts for the running code; kNoDeadline: none.
ScopeClock::time_point effective_deadline() noexcept;
// Whether the running code is cancelled: a fiber by what reaches it, a callback or
// another thread's work by the scope of its context.
bool is_running_cancelled() noexcept;
// The time by the clock of the running loop; the system's on other threads.
ScopeClock::time_point scope_now() noexcept;
// Saturates.
ScopeClock::time_point deadline_after(std::chrono::nanoseconds timeout) noexcept;

}  // namespace weft::detail
