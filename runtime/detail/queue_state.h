// QueueState: what a Queue and its producers share.
//
// Producers add to `incoming_` under the mutex. The loop takes all of it at once, by
// exchanging it for `batch_`, and serves from there without a lock. Invariants:
//
// 1. While fibers wait in `consumers_` the batch is empty, and either
//    `is_wake_wanted_` is set or a post of deliver() is on its way. So a producer
//    posts once for all that is pushed until the loop looks.
// 2. A fiber that comes while others wait goes behind them, even when values are on
//    their way.
// 3. `batch_` and `consumers_` are touched on the loop's thread only.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <weft/runtime/detail/ring.h>
#include <weft/runtime/detail/wait_list.h>
#include <weft/runtime/loop.h>

namespace weft {

struct QueueStatistics {
  std::size_t size;
  std::size_t capacity;
  std::size_t producers;
  std::size_t waiting_consumers;
  bool is_closed;
};

namespace detail {

// While one lives, on the loop's thread, a fiber waits for what other threads may bring.
// That keeps the loop alive, until it is stopped: then nobody need come any more.
class RemoteWait {
 public:
  RemoteWait() noexcept;
  RemoteWait(const RemoteWait&) = delete;
  RemoteWait& operator=(const RemoteWait&) = delete;
  ~RemoteWait();
};

// Posts `fn`; does nothing when the loop has ended, for then nobody waits.
void post_if_alive(const Loop& loop, UniqueFunction<void()> fn);
// Misuses. The first throws when this thread runs a loop.
void check_may_block(const char* what);
void check_queue_capacity(std::size_t capacity);
[[noreturn]] void raise_not_queues_loop(const char* what);
[[noreturn]] void raise_no_producer(const char* what);

template <typename T>
class QueueState : public std::enable_shared_from_this<QueueState<T>> {
 public:
  explicit QueueState(std::size_t capacity)
      : incoming_(capacity), loop_(Loop::current()), batch_(capacity) {}

  // --- any thread ---

  bool try_push(T& value) {
    const std::scoped_lock lock(mutex_);
    return add(value);
  }
  void push(T& value) {
    std::unique_lock lock(mutex_);
    while (!add(value)) room_.wait(lock);
  }
  void close() {
    const std::scoped_lock lock(mutex_);
    close_locked();
  }
  void add_producer() noexcept {
    const std::scoped_lock lock(mutex_);
    ++producers_;
  }
  void remove_producer() {
    const std::scoped_lock lock(mutex_);
    if (--producers_ == 0) close_locked();
  }
  bool is_closed() const {
    const std::scoped_lock lock(mutex_);
    return is_closed_;
  }

  // --- the loop's thread ---

  void pull(std::optional<T>& into) {
    Fiber& self = fiber_that_may_wait("queue pop");
    check_loop("queue pop");
    if (consumers_.is_empty()) {
      const Fetched fetched = fetch(true);
      if (fetched == Fetched::kSome) return batch_.pop_into(into);
      if (fetched == Fetched::kDrained) return;
    }
    const auto held = this->shared_from_this();  // the Queue may go while this waits
    const RemoteWait keeps_loop_alive;
    wait_in(consumers_, self, "queue pop", &into);
  }
  std::optional<T> try_pop() {
    check_loop("queue try_pop");
    std::optional<T> value;
    if (consumers_.is_empty() && fetch(false) == Fetched::kSome) batch_.pop_into(value);
    return value;
  }

  // For select: whether pop() would not wait. If it would, producers wake the loop.
  bool can_pop() {
    check_loop("select");
    return consumers_.is_empty() && fetch(true) != Fetched::kNothing;
  }
  void pop_now(std::optional<T>& into) noexcept {
    if (!batch_.is_empty()) batch_.pop_into(into);
  }
  WaitList& consumers() noexcept { return consumers_; }

  // The Queue goes: nobody takes what is there, nor what would come.
  void abandon() noexcept {
    batch_.clear();
    {
      const std::scoped_lock lock(mutex_);
      is_closed_ = true;
      batch_.swap(incoming_);
      room_.notify_all();
    }
    batch_.clear();
    consumers_.serve_all(Waiter::State::kClosed);
  }
  QueueStatistics statistics() const {
    const std::scoped_lock lock(mutex_);
    return {batch_.size() + incoming_.size(), batch_.capacity(), producers_, consumers_.size(),
            is_closed_};
  }

 private:
  enum class Fetched { kSome, kNothing, kDrained };

  void check_loop(const char* what) const {
    if (!is_of_running_loop(made_under_)) [[unlikely]]
      raise_not_queues_loop(what);
  }

  bool add(T& value) {
    if (is_closed_) raise_closed("queue push");
    if (incoming_.is_full()) return false;
    wake_consumers();
    incoming_.push(std::move(value));
    return true;
  }
  void close_locked() {
    if (std::exchange(is_closed_, true)) return;
    room_.notify_all();
    wake_consumers();
  }
  void wake_consumers() {
    if (!is_wake_wanted_) return;
    post_if_alive(loop_, [self = this->shared_from_this()] { self->deliver(); });
    is_wake_wanted_ = false;
  }

  // Sees to it that the batch has something, if there is anything.
  Fetched fetch(bool will_wait) {
    if (!batch_.is_empty()) return Fetched::kSome;
    const std::scoped_lock lock(mutex_);
    if (incoming_.is_empty()) {
      if (is_closed_) return Fetched::kDrained;
      is_wake_wanted_ = is_wake_wanted_ || will_wait;
      return Fetched::kNothing;
    }
    if (incoming_.is_full()) room_.notify_all();
    batch_.swap(incoming_);
    return Fetched::kSome;
  }
  void deliver() {
    while (!consumers_.is_empty()) {
      const Fetched fetched = fetch(true);
      if (fetched == Fetched::kNothing) return;
      if (fetched == Fetched::kDrained) return consumers_.serve_all(Waiter::State::kClosed);
      Waiter& consumer = consumers_.pop();
      batch_.pop_into(*static_cast<std::optional<T>*>(consumer.value));
      serve(consumer, Waiter::State::kServed);
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable room_;  // in incoming_, or it was closed
  // Guarded by mutex_.
  Ring<T> incoming_;
  std::size_t producers_ = 0;
  bool is_closed_ = false;
  bool is_wake_wanted_ = false;

  const Loop loop_;
  const AsyncId made_under_ = thread_state.last_async_id;  // an id of that loop
  Ring<T> batch_;
  WaitList consumers_;
};

}  // namespace detail
}  // namespace weft
