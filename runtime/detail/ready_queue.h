// ReadyQueue: what runs next, fibers and jobs in one FIFO.
#pragma once

#include <cstddef>
#include <utility>

namespace weft::detail {

class EventLoop;

// Something the loop can run: a fiber to switch to, or a job to call.
struct Runnable {
  explicit Runnable(bool fiber) noexcept : is_fiber(fiber) {}

  Runnable* next = nullptr;  // in the ready queue
  const bool is_fiber;
};

// What runs once, as a microtask: one of queue_microtask, or a promise's reaction.
struct Job : Runnable {
  using Run = void (*)(Job& job, EventLoop& loop) noexcept;
  explicit Job(Run how) noexcept : Runnable(false), run(how) {}

  const Run run;  // enters user code through EventLoop::call, and lets go of the job
};

class ReadyQueue {
 public:
  void push(Runnable& item) noexcept {
    item.next = nullptr;
    *end_ = &item;
    end_ = &item.next;
  }
  // Null when empty.
  Runnable* front() const noexcept { return first_; }
  Runnable& pop() noexcept {
    Runnable& item = *first_;
    first_ = item.next;
    if (first_ == nullptr) end_ = &first_;
    return item;
  }
  // pop() and push(item) at once, of a queue that is not empty.
  Runnable& rotate(Runnable& item) noexcept {
    push(item);
    Runnable& first = *first_;
    first_ = first.next;
    return first;
  }
  // How many could be next where only jobs keep their order: the fibers, and the first job.
  std::size_t candidates() const noexcept {
    std::size_t count = 0;
    bool has_job = false;
    for (const Runnable* item = first_; item != nullptr; item = item->next) {
      if (item->is_fiber || !std::exchange(has_job, true)) ++count;
    }
    return count;
  }
  // Moves the candidate with this number to the front.
  void bring_forward(std::size_t number) noexcept {
    bool has_job = false;
    Runnable** link = &first_;
    for (;; link = &(*link)->next) {
      const bool is_candidate = (*link)->is_fiber || !std::exchange(has_job, true);
      if (is_candidate && number-- == 0) break;
    }
    Runnable& item = **link;
    if (&item == first_) return;
    *link = item.next;
    if (item.next == nullptr) end_ = link;
    item.next = std::exchange(first_, &item);
  }
  bool is_empty() const noexcept { return first_ == nullptr; }
  // In time that grows with it.
  std::size_t size() const noexcept {
    std::size_t count = 0;
    for (const Runnable* item = first_; item != nullptr; item = item->next) ++count;
    return count;
  }

 private:
  Runnable* first_ = nullptr;
  Runnable** end_ = &first_;
};

}  // namespace weft::detail
