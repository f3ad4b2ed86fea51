// Group: the children of a task group, and what came of them.
//
// The fibers spawned in a group are its members: a list through their records,
// behind the group's scope, in the order of their spawn. A member leaves the list
// as the last thing it does on its stack. The last one closes a group whose body
// has ended and wakes the fiber that waits for it.
#pragma once

#include <exception>
#include <optional>
#include <vector>

#include <weft/runtime/detail/scope.h>

namespace weft::detail {

class Group {
 public:
  explicit Group(Scope& scope) noexcept : scope_(scope) { scope.group = this; }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() = default;

  bool is_closed() const noexcept { return is_closed_; }
  // Makes a fiber that was spawned just now a member.
  void add(Fiber& fiber) noexcept;
  // A member, or the body, failed; a Cancelled ended a member.
  void failed(std::exception_ptr error) noexcept;
  void ended_cancelled() noexcept;
  // In any case, last.
  void remove(Fiber& fiber) noexcept;

  // Parks the owner until no member is left, and closes the group.
  void wait_empty() noexcept;
  // Throws what the members and the body leave: GroupError, or a Cancelled which is not the
  // group's.
  void raise_rest(bool body_was_cancelled);

  Scope& scope() noexcept { return scope_; }
  // Whether the running stack's context is the one inside the group.
  bool is_context() const noexcept { return current_view(local_) == scope_.view; }
  Fiber* first_member() const noexcept { return first_; }

 private:
  Scope& scope_;
  const LocalId local_ = scope_local();
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
  Wait* waiting_ = nullptr;  // the owner's, while it waits for the members
  std::vector<std::exception_ptr> errors_;
  bool has_cancelled_member_ = false;  // ended so by the group's scope or from outside
  bool is_closed_ = false;
};

// For a spawn from anywhere: the code that runs is in the group's context while this lives.
class GroupContext {
 public:
  // Errors: UsageError when the group has closed.
  explicit GroupContext(Group& group);
  GroupContext(const GroupContext&) = delete;
  GroupContext& operator=(const GroupContext&) = delete;
  ~GroupContext() = default;

 private:
  std::optional<LocalScope> context_;  // none where it is the group's already
};

// The group that `fiber`, a member which has left its own scopes, was spawned in.
inline Group& group_of(const Fiber& fiber) noexcept {
  return *fiber.scope->group;
}

}  // namespace weft::detail
