// What next_tick, queue_microtask and set_immediate queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/ready_queue.h>

namespace weft::detail {

struct Tick {
  Tick(UniqueFunction<void()> fn, const AsyncResourceOptions& options)
      : resource("TickObject", options), callback(std::move(fn)) {}

  AsyncResource resource;
  UniqueFunction<void()> callback;
};

struct Microtask : Job {
  explicit Microtask(UniqueFunction<void()> fn)
      : Job(&run_once), resource("Microtask"), callback(std::move(fn)) {}

  static void run_once(Job& job, EventLoop& loop) noexcept;

  AsyncResource resource;
  UniqueFunction<void()> callback;
};

// One set_immediate. Counted: by the queue until it ran or was cleared, and by
// the user's handles.
struct ImmediateTask {
  explicit ImmediateTask(UniqueFunction<void()> fn)
      : resource("Immediate"), callback(std::move(fn)) {}

  AsyncResource resource;
  UniqueFunction<void()> callback;
  ImmediateTask* previous = nullptr;
  ImmediateTask* next = nullptr;
  std::uint64_t turn = 0;  // of Immediates, in which it was set
  unsigned references = 1;
  bool is_queued = true;
  bool is_referenced = true;  // keeps the loop alive
};

void retain(ImmediateTask& task) noexcept;
void release(ImmediateTask& task) noexcept;

// The immediates of one loop, in the order they were set.
class Immediates {
 public:
  explicit Immediates(EventLoop& loop) noexcept : loop_(loop) {}
  Immediates(const Immediates&) = delete;
  Immediates& operator=(const Immediates&) = delete;
  ~Immediates() { clear_all(); }

  ImmediateTask& add(UniqueFunction<void()> callback);
  void clear(ImmediateTask& task) noexcept;
  void clear_all() noexcept;
  void set_referenced(ImmediateTask& task, bool referenced) noexcept;
  // Runs those set before this call.
  void run() noexcept;

  bool is_empty() const noexcept { return first_ == nullptr; }
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    for (const ImmediateTask* task = first_; task != nullptr; task = task->next) visit(*task);
  }
  bool has_referenced() const noexcept { return referenced_ > 0; }

 private:
  void unlink(ImmediateTask& task) noexcept;

  EventLoop& loop_;
  ImmediateTask* first_ = nullptr;
  ImmediateTask* last_ = nullptr;
  std::size_t referenced_ = 0;
  std::uint64_t turn_ = 0;  // how often run() was called
};

}  // namespace weft::detail
