// TaskGroup: tasks that end before the block which started them.
//
//   task_group([&](TaskGroup& group) {
//     group.spawn([&] { fetch(first); });
//     group.spawn([&] { fetch(second); });
//   });  // both have ended here
//
// When a task of the group or its body fails, the others are cancelled; when all have
// ended, the failures arrive together as one GroupError. There is a group for a single
// failure too: which of several tasks fails first, and whether alone, is chance, and
// code that handles errors must not depend on it. What is cancelled is no failure.
//
// The group is a cancel scope (cancel_scope.h): its tasks and its body are inside. Tasks
// may refer to what stands outside of the call; the body's own locals are gone when the
// body has returned, and its tasks may still run then. So is the group itself when
// task_group() returns: a callback that may come later (a timer, a handler) must not refer
// to it then, as to any local of a block that was left. AddressSanitizer shows who does.
//
// Source: trio's nurseries (strict groups), Python's ExceptionGroup.
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/group.h>
#include <weft/runtime/task.h>

namespace weft {

// What several tasks failed with. what() lists all of them, a line each; a group
// inside the group is indented.
class GroupError : public std::runtime_error {
 public:
  explicit GroupError(std::vector<std::exception_ptr> errors);

  // In the order they were thrown. Shape: shared by the copies of this error.
  std::span<const std::exception_ptr> errors() const noexcept { return *errors_; }

 private:
  std::shared_ptr<const std::vector<std::exception_ptr>> errors_;  // copies must not throw
};

class TaskGroup {
 public:
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `fn` as a task of the group, in the context of this call. The group may be
  // handed around: to its tasks, to callbacks. After its body has ended, those that
  // still run may spawn more. The Task may be joined or dropped; either way the group
  // waits for the task and receives its error.
  //
  // Context: loop thread
  // Errors:  as spawn(); UsageError on another loop, or when the body and all tasks have
  //          ended and task_group() has not yet returned.
  // Order:   tasks first run in the order they were spawned.
  // Source:  trio `nursery.start_soon`.
  template <std::invocable F>
  auto spawn(F fn, const SourceLocation& at = SourceLocation::current()) {
    return start(fn, nullptr, at);
  }
  template <std::invocable F>
  auto spawn(F fn, const SpawnOptions& options,
             const SourceLocation& at = SourceLocation::current()) {
    return start(fn, &options, at);
  }

  // Cancels the body and all tasks. That is no failure: see task_group().
  void cancel(std::string_view reason = {}) noexcept { scope_.cancel(reason); }

  // For a deadline or a shield over the whole group.
  CancelScope& cancel_scope() noexcept { return scope_; }

 private:
  template <typename Body>
  requires std::invocable<Body, TaskGroup&>
  friend auto task_group(Body&& body) -> std::decay_t<std::invoke_result_t<Body, TaskGroup&>>;

  TaskGroup() noexcept : group_(scope_.scope_) {}
  ~TaskGroup() = default;

  template <typename F>
  auto start(F& fn, const SpawnOptions* options, const SourceLocation& at) {
    using T = std::decay_t<std::invoke_result_t<F&>>;
    group_.scope().home.check("TaskGroup::spawn");
    const detail::GroupContext context(group_);
    detail::Fiber& fiber = detail::spawn_fiber<T, F>(fn, options, at);
    group_.add(fiber);
    return Task<T>(fiber);
  }

  CancelScope scope_;
  detail::Group group_;
};

namespace detail {

[[noreturn]] void raise_group_cancelled();

}  // namespace detail

// Calls `body` with a new group, waits for the group's tasks, and returns what
// `body` did.
//
// Context:  fiber
// Suspends: if `body` does, and until the last task has ended.
// Errors:   GroupError; std::errc::operation_canceled when the group was cancelled
//           before `body` had a result to return.
// Cancel:   cancels the tasks, and waits for them all the same. A failure counts more
//           than Cancelled, which comes again at the next suspension point.
template <typename Body>
requires std::invocable<Body, TaskGroup&>
auto task_group(Body&& body) -> std::decay_t<std::invoke_result_t<Body, TaskGroup&>> {
  using T = std::decay_t<std::invoke_result_t<Body, TaskGroup&>>;
  TaskGroup group;
  Finished<T> result{};
  bool was_cancelled = false;
  const detail::ScopeEntry entry(group.group_.scope(), "task_group");
  try {
    if constexpr (std::is_void_v<T>) {
      std::invoke(std::forward<Body>(body), group);
    } else {
      result.emplace(std::invoke(std::forward<Body>(body), group));
    }
  } catch (const Cancelled&) {
    was_cancelled = true;
  } catch (...) {
    group.group_.failed(std::current_exception());
  }
  group.group_.wait_empty();
  group.group_.raise_rest(was_cancelled);
  if constexpr (!std::is_void_v<T>) {
    if (!result) detail::raise_group_cancelled();
    return *std::move(result);
  }
}

}  // namespace weft
