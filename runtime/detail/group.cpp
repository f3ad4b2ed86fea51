#include <algorithm>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/group.h>
#include <weft/runtime/task_group.h>

namespace weft::detail {

void Group::add(Fiber& fiber) noexcept {
  fiber.add_duty(Fiber::kInGroup);
  fiber.previous_member = last_;
  fiber.next_member = nullptr;
  (last_ == nullptr ? first_ : last_->next_member) = &fiber;
  last_ = &fiber;
  begin_below(scope_, fiber);
}

void Group::failed(std::exception_ptr error) noexcept {
  // One error that two members rethrow, as when one joins the other, counts once.
  if (std::find(errors_.begin(), errors_.end(), error) == errors_.end()) {
    errors_.push_back(std::move(error));
  }
  cancel(scope_, "a task of the group failed");
}

void Group::ended_cancelled() noexcept {
  if (scope_.view->is_cancelled()) has_cancelled_member_ = true;
}

void Group::remove(Fiber& fiber) noexcept {
  fiber.remove_duty(Fiber::kInGroup);
  Fiber* const before = fiber.previous_member;
  Fiber* const after = fiber.next_member;
  (before == nullptr ? first_ : before->next_member) = after;
  (after == nullptr ? last_ : after->previous_member) = before;
  fiber.scope = nullptr;
  if (first_ != nullptr || waiting_ == nullptr) return;
  is_closed_ = true;
  std::exchange(waiting_, nullptr)->is_over = true;
  wake(*scope_.owner);
}

void Group::wait_empty() noexcept {
  while (first_ != nullptr) {  // the end of a run may cut the wait short
    Wait wait("task_group");
    waiting_ = &wait;
    park(*scope_.owner, wait);
    waiting_ = nullptr;
  }
  is_closed_ = true;
}

void Group::raise_rest(bool body_was_cancelled) {
  if (!errors_.empty()) throw GroupError(std::move(errors_));
  if (!body_was_cancelled && !has_cancelled_member_) return;
  if (is_own_cancel(scope_)) {
    scope_.cancelled_caught = true;
  } else if (body_was_cancelled || is_cancel_due(*scope_.owner)) {
    raise_cancelled(*scope_.owner);
  }
}

namespace {

[[noreturn, gnu::noinline]] void raise_group_closed() {
  throw UsageError("TaskGroup::spawn: the group has closed; its body and all its tasks have ended");
}

}  // namespace

GroupContext::GroupContext(Group& group) {
  if (group.is_closed()) [[unlikely]]
    raise_group_closed();
  if (group.is_context()) [[likely]]
    return;
  ScopeView* const view = group.scope().view;
  view->retain();
  context_.emplace(scope_local(), view);
}

}  // namespace weft::detail
