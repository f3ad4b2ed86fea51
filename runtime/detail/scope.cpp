#include <algorithm>
#include <new>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/group.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/scope.h>
#include <weft/runtime/error.h>

namespace weft::detail {
namespace {

// Fibers whose waits are to be aborted, in order.
struct AbortQueue {
  Fiber* first = nullptr;
  Fiber** end = nullptr;
  bool is_running = false;
};
constinit thread_local AbortQueue abort_queue;

// A cancellation that reaches a fiber: a scope's, or, with none, the fiber's own.
struct Source {
  const Fiber* fiber = nullptr;  // null: nothing reaches it
  const Scope* scope = nullptr;
};

// The outermost one that is seen from inside `scope`, on `fiber`.
Source find_source(const Fiber& from, const Scope* scope) noexcept {
  const Fiber* fiber = &from;
  Source found;
  for (;;) {
    if (scope == nullptr || scope->owner != fiber) {
      if ((fiber->attention & Fiber::kSelfCancelled) != 0) found = {fiber, nullptr};
      if (scope == nullptr) return found;
      fiber = scope->owner;
    }
    if (scope->cancel_called) found = {fiber, scope};
    if (scope->is_shielded) return found;
    scope = scope->parent;
  }
}

ScopeClock::time_point deadline_of(const Scope* scope) noexcept {
  ScopeClock::time_point earliest = kNoDeadline;
  while (scope != nullptr) {
    earliest = std::min(earliest, scope->deadline);
    if (scope->is_shielded) break;
    if (scope->parent == nullptr) earliest = std::min(earliest, scope->inherited_deadline);
    scope = scope->parent;
  }
  return earliest;
}

void update_view(Scope& scope) noexcept {
  scope.view->set(deadline_of(&scope), find_source(*scope.owner, &scope).fiber != nullptr);
}

// What reaches the code that runs on `fiber` while `uncaught` exceptions unwind its stack.
// With one a destructor runs, which no Cancelled may leave: only scopes that were entered
// in there count, as if it were shielded from what is around it.
Source find_source_here(const Fiber& fiber, const Scope* scope, unsigned uncaught) noexcept {
  if (uncaught == 0) [[likely]]
    return find_source(fiber, scope);
  Source found;
  while (scope != nullptr && scope->owner == &fiber && scope->entered_uncaught == uncaught) {
    if (scope->cancel_called) found = {&fiber, scope};
    if (scope->is_shielded) break;
    scope = scope->parent;
  }
  return found;
}

// Whether Cancelled may be thrown while `uncaught` exceptions are in flight.
bool may_throw(const Fiber& fiber, unsigned uncaught) noexcept {
  return uncaught == 0 || find_source_here(fiber, fiber.scope, uncaught).fiber != nullptr;
}

// The earliest deadline of the scopes that were entered in the destructor which runs.
ScopeClock::time_point deadline_here(const Fiber& fiber, unsigned uncaught) noexcept {
  ScopeClock::time_point earliest = kNoDeadline;
  for (const Scope* scope = fiber.scope; scope != nullptr; scope = scope->parent) {
    if (scope->owner != &fiber || scope->entered_uncaught != uncaught) break;
    earliest = std::min(earliest, scope->deadline);
    if (scope->is_shielded) break;
  }
  return earliest;
}

bool is_abortable(const Fiber& fiber) noexcept {
  if (!fiber.is_cancel_requested() || fiber.state != Fiber::State::kParked) return false;
  const Wait& wait = *fiber.wait;
  if (wait.is_over || wait.abort == nullptr || wait.was_aborted()) return false;
  // A hook may be running on the stack that the fiber is about to leave.
  const bool is_leaving = thread_state.execution == &fiber.execution;
  const ExceptionState& exceptions =
      is_leaving ? *runtime_thread.exceptions : fiber.context.exceptions;
  return may_throw(fiber, exceptions.uncaught);
}

// Whether the fiber has to look at the clock where it could wait.
void note_deadline(Fiber& fiber) noexcept {
  constexpr auto kBit = static_cast<unsigned char>(Fiber::kUnderDeadline);
  const bool has_deadline = fiber.scope != nullptr && fiber.scope->view->deadline() != kNoDeadline;
  fiber.attention =
      static_cast<unsigned char>(has_deadline ? fiber.attention | kBit : fiber.attention & ~kBit);
}

// Deadlines that have passed count though their timers have not run: the loop stands
// still while a fiber computes, or finds all it asks for at once.
void notice_deadlines(const Fiber& self) noexcept {
  if (self.scope == nullptr || self.scope->view->deadline() > scope_now()) return;
  for (Scope* scope = self.scope; scope != nullptr; scope = scope->parent) {
    const bool is_outermost = scope->is_shielded;
    is_cancel_called(*scope);
    if (is_outermost) break;
  }
}

// Brings the bit of `fiber` up to date. Where it goes, only the running fiber loses it at
// once: another one may be on its way out of an aborted wait, and looks when it runs.
void refresh(Fiber& fiber) noexcept {
  note_deadline(fiber);
  constexpr auto kBit = static_cast<unsigned char>(Fiber::kCancelRequested);
  if (find_source(fiber, fiber.scope).fiber != nullptr) {
    fiber.attention |= kBit;
  } else if (&fiber == runtime_thread.fiber) {
    fiber.attention &= static_cast<unsigned char>(~kBit);
  }
  if (!is_abortable(fiber) || (fiber.attention & Fiber::kAbortPending) != 0) return;
  fiber.attention |= Fiber::kAbortPending;
  fiber.next_to_abort = nullptr;
  if (abort_queue.first == nullptr) abort_queue.end = &abort_queue.first;
  *abort_queue.end = &fiber;
  abort_queue.end = &fiber.next_to_abort;
}

void abort_waits(EventLoop& loop) noexcept {
  if (abort_queue.is_running || abort_queue.first == nullptr) return;
  abort_queue.is_running = true;
  {
    const EventLoop::InCallback no_waiting(loop);
    while (abort_queue.first != nullptr) {
      Fiber& fiber = *abort_queue.first;
      abort_queue.first = fiber.next_to_abort;
      fiber.attention &= static_cast<unsigned char>(~Fiber::kAbortPending);
      if (!is_abortable(fiber)) continue;
      std::exchange(fiber.wait->abort, &Wait::aborted)(*fiber.wait);
    }
  }
  abort_queue.is_running = false;
  if (loop.is_outermost()) loop.wake_up();
}

// Puts the fibers of the group, if any, behind those that are visited.
Fiber** add_members(const Group* group, Fiber** end) noexcept {
  Fiber* member = group == nullptr ? nullptr : group->first_member();
  for (; member != nullptr; member = member->next_member) {
    member->next_to_visit = nullptr;
    *end = member;
    end = &member->next_to_visit;
  }
  return end;
}

// Something changed on `first`, at `outermost` or, with null, at its own outermost scope.
void spread(Fiber& first, const Scope* outermost) noexcept {
  Fiber* fiber = &first;
  Fiber** end = &first.next_to_visit;
  *end = nullptr;
  while (fiber != nullptr) {
    for (Scope* at = fiber->scope; at != nullptr && at->owner == fiber; at = at->parent) {
      update_view(*at);
      end = add_members(at->group, end);
      if (at == outermost) break;
    }
    refresh(*fiber);
    fiber = fiber->next_to_visit;
  }
  abort_waits(*first.loop);
}

void spread(const Scope& scope) noexcept {
  if (scope.owner != nullptr) spread(*scope.owner, &scope);
}

std::shared_ptr<const std::string> shared_reason(std::string_view reason) noexcept {
  if (reason.empty()) return nullptr;
  try {
    return std::make_shared<const std::string>(reason);
  } catch (const std::bad_alloc&) {
    return nullptr;  // the cancellation matters more than its text
  }
}

// Checks, and notes what the context tells before the scope changes it.
Scope& prepare(Scope& scope, const char* what) {
  const Fiber* const self = runtime_thread.fiber;
  if (self == nullptr || thread_state.hooks_running != 0) [[unlikely]]
    raise_cannot_wait(what);
  if (scope.was_entered) [[unlikely]] {
    throw UsageError(std::string(what) + ": this scope was entered before; make one for each use");
  }
  if (self->scope == nullptr) {
    const ScopeView* const outer = current_view();
    if (outer != nullptr) scope.inherited_deadline = outer->deadline();
  }
  return scope;
}

void arm(Scope& scope) noexcept {
  if (scope.deadline == kNoDeadline || scope.cancel_called) return;
  if (!scope.owner->loop->timers().arm_deadline(scope, scope.deadline)) deadline_passed(scope);
}

void disarm(Scope& scope) noexcept {
  if (scope.is_armed()) scope.owner->loop->timers().disarm_deadline(scope);
}

}  // namespace

// On first use: a program without scopes keeps the slot out of its frames.
LocalId scope_local() noexcept {
  static const LocalId id = acquire_local();
  return id;
}

void cancel(Scope& scope, std::string_view reason) noexcept {
  if (scope.cancel_called) return;
  scope.cancel_called = true;
  scope.reason = shared_reason(reason);
  if (scope.owner == nullptr) return;
  disarm(scope);
  spread(scope);
}

void set_deadline(Scope& scope, ScopeClock::time_point deadline) noexcept {
  scope.deadline = deadline;
  if (scope.owner == nullptr) return;
  disarm(scope);
  arm(scope);
  spread(scope);
}

void set_shield(Scope& scope, bool shielded) noexcept {
  if (std::exchange(scope.is_shielded, shielded) != shielded) spread(scope);
}

bool is_cancel_called(Scope& scope) noexcept {
  if (scope.is_armed() && scope.deadline <= scope_now()) deadline_passed(scope);
  return scope.cancel_called;
}

void deadline_passed(Scope& scope) noexcept {
  cancel(scope, "the deadline passed");
}

bool is_own_cancel(const Scope& scope) noexcept {
  if (!scope.cancel_called) return false;
  return scope.is_shielded ||
         find_source_here(*scope.owner, scope.parent, scope.entered_uncaught).fiber == nullptr;
}

ScopeEntry::ScopeEntry(Scope& scope, const char* what)
    : scope_(prepare(scope, what)), context_(scope_local(), scope.view = new ScopeView) {
  Fiber& self = *runtime_thread.fiber;
  scope.was_entered = true;
  scope.entered_uncaught = runtime_thread.exceptions->uncaught;
  scope.owner = &self;
  scope.parent = std::exchange(self.scope, &scope);
  arm(scope);
  const bool is_cancelled_outside = (self.attention & ~Fiber::kUnderDeadline) != 0;
  if (is_cancelled_outside || scope.cancel_called || scope.is_shielded) [[unlikely]] {
    spread(scope);
    return;
  }
  const ScopeClock::time_point outer =
      scope.parent == nullptr ? scope.inherited_deadline : scope.parent->view->deadline();
  scope.view->set(std::min(scope.deadline, outer), false);
  note_deadline(self);
}

ScopeEntry::~ScopeEntry() {
  Fiber& self = *scope_.owner;
  disarm(scope_);
  self.scope = scope_.parent;
  scope_.owner = nullptr;
  note_deadline(self);
  if ((self.attention & ~Fiber::kUnderDeadline) != 0 || scope_.is_shielded) [[unlikely]]
    refresh(self);
}

void cancel(Fiber& fiber) noexcept {
  if (fiber.has_ended() || (fiber.attention & Fiber::kSelfCancelled) != 0) return;
  fiber.attention |= Fiber::kSelfCancelled;
  spread(fiber, nullptr);
}

bool is_cancel_due(Fiber& self) noexcept {
  if (!self.is_cancel_requested()) return false;
  if (!may_throw(self, runtime_thread.exceptions->uncaught)) return false;
  refresh(self);
  return self.is_cancel_requested();
}

bool is_cancel_due_by_clock(Fiber& self) noexcept {
  if ((self.attention & Fiber::kUnderDeadline) != 0) notice_deadlines(self);
  return is_cancel_due(self);
}

bool ends_before_park(Fiber& self, Wait& wait) noexcept {
  const bool can_abort = wait.abort != nullptr && !wait.was_aborted() && !wait.is_over;
  if (can_abort && is_cancel_due(self)) {
    const EventLoop::InCallback no_waiting(*self.loop);
    std::exchange(wait.abort, &Wait::aborted)(wait);
  }
  return wait.is_over;
}

void raise_cancelled(Fiber& self) {
  const Source source = find_source_here(self, self.scope, runtime_thread.exceptions->uncaught);
  std::shared_ptr<const std::string> reason;
  if (source.scope != nullptr) {
    reason = source.scope->reason;
  } else {
    reason = shared_reason(self.loop->is_stopping() ? "the run ends" : "the task was cancelled");
  }
  refresh(self);
  throw Cancelled(std::move(reason));
}

ScopeClock::time_point effective_deadline() noexcept {
  if (is_running_cancelled()) return ScopeClock::time_point::min();
  const Fiber* const self = runtime_thread.fiber;
  if (self != nullptr && runtime_thread.exceptions->uncaught != 0) [[unlikely]]
    return deadline_here(*self, runtime_thread.exceptions->uncaught);
  const ScopeView* const view =
      self != nullptr && self->scope != nullptr ? self->scope->view : current_view();
  if (view == nullptr) return kNoDeadline;
  return view->is_cancelled() ? ScopeClock::time_point::min() : view->deadline();
}

bool is_running_cancelled() noexcept {
  const Fiber* const self = runtime_thread.fiber;
  if (self != nullptr) {
    if ((self->attention & Fiber::kUnderDeadline) != 0) notice_deadlines(*self);
    const unsigned uncaught = runtime_thread.exceptions->uncaught;
    return self->is_cancel_requested() &&
           find_source_here(*self, self->scope, uncaught).fiber != nullptr;
  }
  const ScopeView* const view = current_view();
  if (view == nullptr || view->is_cancelled()) return view != nullptr;
  return view->deadline() != kNoDeadline && view->deadline() <= scope_now();
}

ScopeClock::time_point scope_now() noexcept {
  EventLoop* const loop = EventLoop::current_or_null();
  return loop == nullptr ? ScopeClock::now() : loop->timers().exact_now();
}

ScopeClock::time_point deadline_after(std::chrono::nanoseconds timeout) noexcept {
  const ScopeClock::time_point now = scope_now();
  return timeout >= kNoDeadline - now ? kNoDeadline : now + timeout;
}

}  // namespace weft::detail
