// Queue: values from other threads to the fibers of one loop.
//
//   Queue<Frame> frames(64);
//   std::thread camera([to = frames.producer()]() mutable {
//     while (auto frame = grab()) to.push(std::move(*frame));  // blocks while 64 are there
//   });                                                        // the last producer closes
//   for (Frame& frame : frames) show(frame);
//
// The loop's side is the Queue, the other threads' are its producers, which are
// handles: threads have no scope that tells who pushes last, so the last producer to be
// dropped closes the queue. Many values cost one wake of the loop: those that come
// until it looks are taken together.
//
// A value carries no context, and pop() returns in the fiber's own; what is to run in
// the context of the thread that asks goes through Loop::post. Between fibers of one
// loop a Channel is what you want.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/runtime/detail/drain_iterator.h>
#include <weft/runtime/detail/queue_state.h>

namespace weft {

namespace detail {
struct QueueAccess;
}

template <typename T>
class Queue {
  static_assert(std::is_same_v<T, std::decay_t<T>> && std::is_nothrow_move_constructible_v<T>,
                "a queue's values must move without throwing; push a std::unique_ptr");

 public:
  class Producer;

  // Units: values that wait for the loop to take them, at least one. The loop takes all
  //        at once, so that twice as many may be held.
  // Context: the loop's thread
  // Errors:  UsageError outside of a loop, or for a capacity of 0.
  explicit Queue(std::size_t capacity)
      : state_((detail::check_queue_capacity(capacity),
                std::make_shared<detail::QueueState<T>>(capacity))) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  // Closes it and drops what it holds; fibers that wait in pop() get nullopt.
  ~Queue() { state_->abandon(); }

  // A new producer. The queue is closed once there was one and all are gone.
  Producer producer() const { return Producer(state_); }

  // The next value; nullopt when the queue is closed and drained. The loop stays alive
  // while a fiber waits here.
  //
  // Context:  fiber of the queue's loop
  // Suspends: while nothing is there.
  // Order:    fibers are served in the order they came, and the values of one producer
  //           come in the order pushed.
  // Errors:   operation_canceled when the loop is stopped while this waits in a shield;
  //           UsageError on another loop.
  // Cancel:   nothing has been taken.
  std::optional<T> pop() {
    std::optional<T> value;
    state_->pull(value);
    return value;
  }
  // Pops if that needs no wait.
  // Context: the loop's thread
  std::optional<T> try_pop() { return state_->try_pop(); }

  // No value is pushed any more; what was can still be popped. Closing again does nothing.
  void close() { state_->close(); }
  bool is_closed() const { return state_->is_closed(); }
  QueueStatistics statistics() const { return state_->statistics(); }

  // `for (T& value : queue)` pops until the queue is closed and drained.
  //
  // Context:  fiber of the queue's loop
  // Suspends: as pop().
  auto begin() { return detail::DrainIterator<detail::QueueState<T>, T>(*state_); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::QueueAccess;

  // With the producers and with posts under way: any of them may be the last.
  std::shared_ptr<detail::QueueState<T>> state_;
};

// A handle of the pushing end. Copies are producers too. Each may be used by one thread
// at a time, on any thread, and may outlive the queue and its loop. One that was moved from
// may only be dropped or assigned to: anything else throws UsageError.
template <typename T>
class Queue<T>::Producer {
 public:
  Producer(const Producer& other) : Producer(other.held("queue producer")) {}
  Producer(Producer&& other) noexcept = default;
  Producer& operator=(Producer other) noexcept {
    state_.swap(other.state_);
    return *this;
  }
  ~Producer() {
    if (state_ != nullptr) state_->remove_producer();
  }

  // Blocks the thread while the queue is full.
  //
  // Context: a thread without a loop
  // Shape:   `value` is moved from only when it is pushed.
  // Errors:  broken_pipe when the queue is closed or gone, or is while this blocks;
  //          UsageError on a thread that runs a loop, which would stand still.
  void push(T&& value) {
    detail::check_may_block("queue push");
    held("queue push")->push(value);
  }
  void push(const T& value) { push(T(value)); }

  // Pushes if there is room; else returns false, and `value` is as it was.
  //
  // Context: any thread
  // Errors:  broken_pipe when the queue is closed or gone.
  bool try_push(T&& value) { return held("queue try_push")->try_push(value); }
  bool try_push(const T& value) { return try_push(T(value)); }

  // Context: any thread
  void close() { held("queue close")->close(); }
  bool is_closed() const { return held("queue is_closed")->is_closed(); }

 private:
  friend class Queue;
  using State = std::shared_ptr<detail::QueueState<T>>;
  explicit Producer(State state) : state_(std::move(state)) { state_->add_producer(); }

  const State& held(const char* what) const {
    if (state_ == nullptr) [[unlikely]]
      detail::raise_no_producer(what);
    return state_;
  }

  State state_;  // null: moved from
};

}  // namespace weft
