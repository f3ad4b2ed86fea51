#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/tasks.h>

namespace weft::detail {

namespace {

// Thrown or not, an immediate's life ends before its `after`, as in Node.
struct EndOnExit {
  AsyncResource& resource;
  ~EndOnExit() { ResourceAccess::end(resource); }
};

}  // namespace

void Microtask::run_once(Job& job, EventLoop& loop) noexcept {
  const std::unique_ptr<Microtask> task(static_cast<Microtask*>(&job));
  loop.call(task->resource, [&task] { task->callback(); });
}

void retain(ImmediateTask& task) noexcept {
  ++task.references;
}

void release(ImmediateTask& task) noexcept {
  if (--task.references == 0) delete &task;
}

ImmediateTask& Immediates::add(UniqueFunction<void()> callback) {
  auto* const task = new ImmediateTask(std::move(callback));
  task->turn = turn_;
  task->previous = last_;
  (last_ != nullptr ? last_->next : first_) = task;
  last_ = task;
  ++referenced_;
  loop_.wake_up();
  return *task;
}

void Immediates::unlink(ImmediateTask& task) noexcept {
  (task.previous != nullptr ? task.previous->next : first_) = task.next;
  (task.next != nullptr ? task.next->previous : last_) = task.previous;
  task.is_queued = false;
  if (task.is_referenced) --referenced_;
}

void Immediates::clear(ImmediateTask& task) noexcept {
  if (!task.is_queued) return;
  unlink(task);
  ResourceAccess::end(task.resource);
  const UniqueFunction<void()> dropped = std::move(task.callback);
  release(task);
}

void Immediates::clear_all() noexcept {
  while (first_ != nullptr) clear(*first_);
}

void Immediates::set_referenced(ImmediateTask& task, bool referenced) noexcept {
  if (!task.is_queued || task.is_referenced == referenced) return;
  task.is_referenced = referenced;
  referenced ? ++referenced_ : --referenced_;
}

void Immediates::run() noexcept {
  const std::uint64_t turn = turn_++;
  while (first_ != nullptr && first_->turn <= turn) {
    ImmediateTask& task = *first_;
    unlink(task);
    loop_.call(task.resource, [&task] {
      const EndOnExit end{task.resource};
      task.callback();
    });
    // It never runs again: what it captured may hold the handle.
    const UniqueFunction<void()> dropped = std::move(task.callback);
    release(task);
  }
}

}  // namespace weft::detail
