// Channel: values from fibers that send to fibers that receive.
//
//   Channel<Job> jobs(16);
//   spawn([&] { for (Job& job : jobs) work(job); });  // ends when closed and drained
//   jobs.send(read_job());                            // waits while 16 are there
//   jobs.close();
//
// Of capacity 0 it is a rendezvous: a send ends when its value has been received.
// Any number of fibers may stand at either end, and each end serves them in the order
// they came. A value goes straight to the fiber that waits longest for one; nobody
// who comes later can get ahead of it.
//
// One object has both ends, and whoever sends last calls close(). Handles for each
// end, of which the last one to be dropped closes (trio, tokio), would cost every user
// a count for what structure tells anyway: fibers of one loop live in scopes, and the
// channel outlives them in the scope around. For producers on other threads see Queue.
//
// A channel carries values, not context: a fiber keeps its own, whoever it hears
// from. To hand on the sender's, send what bind() or Snapshot makes.
//
// It belongs to one loop, as a ParkingLot does: a call from another one throws UsageError.
// Source: Go's channels and trio's memory channels;
// unlike Go, a send on a closed channel is an error the caller can handle, and closing
// twice is none.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/runtime/detail/drain_iterator.h>
#include <weft/runtime/detail/home.h>
#include <weft/runtime/detail/ring.h>
#include <weft/runtime/detail/wait_list.h>

namespace weft {

namespace detail {
struct ChannelAccess;
}

struct ChannelStatistics {
  std::size_t size;
  std::size_t capacity;
  std::size_t waiting_senders;
  std::size_t waiting_receivers;
  bool is_closed;
};

template <typename T>
class Channel {
  using Waiter = detail::Waiter;
  static_assert(std::is_same_v<T, std::decay_t<T>> && std::is_nothrow_move_constructible_v<T>,
                "a channel's values must move without throwing; send a std::unique_ptr");

 public:
  // Units: values that it holds for receivers to come; 0: none. Allocated at once.
  explicit Channel(std::size_t capacity) : buffer_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  // Closes it, and drops what it holds. Fibers that wait end as close() ends them.
  ~Channel() {
    if (!receivers_.is_empty() || !senders_.is_empty()) home_.require("~Channel");
    end_waits();
  }

  // Sends one value.
  //
  // Context:  fiber
  // Suspends: while there is neither a receiver nor room.
  // Shape:    `value` is moved from only when it is sent.
  // Errors:   broken_pipe: the channel is closed, or was while this waited.
  // Cancel:   the value has not been sent. Once it was handed over send() returns,
  //           and the next wait throws Cancelled.
  void send(T&& value) {
    detail::Fiber& self = detail::fiber_that_may_wait("channel send");
    if (!put(value)) wait_to_send(self, value);
  }
  void send(const T& value) { send(T(value)); }

  // Receives the next value; nullopt when the channel is closed and drained.
  //
  // Context:  fiber
  // Suspends: while nothing is there and nobody sends.
  // Cancel:   nothing has been received. Once a value was handed over receive()
  //           returns it, and the next wait throws Cancelled.
  std::optional<T> receive() {
    std::optional<T> value;
    pull(value);
    return value;
  }

  // Sends if that needs no wait; else returns false, and `value` is as it was.
  //
  // Context: loop thread
  // Errors:  broken_pipe when the channel is closed.
  bool try_send(T&& value) { return put(value); }
  bool try_send(const T& value) { return try_send(T(value)); }

  // Receives if that needs no wait; nullopt when nothing is there, which is_drained()
  // tells from the end.
  //
  // Context: loop thread
  std::optional<T> try_receive() {
    std::optional<T> value;
    take(value);
    return value;
  }

  // No value is sent any more. Senders that wait fail with broken_pipe, receivers
  // get what was sent before, then nullopt. Closing again does nothing.
  //
  // Context: loop thread
  void close() {
    home_.check("channel close");
    is_closed_ = true;
    end_waits();
  }

  bool is_closed() const noexcept { return is_closed_; }
  // Closed, and nothing is left: receive() returns nullopt.
  bool is_drained() const noexcept { return is_closed_ && buffer_.is_empty(); }
  // Values it holds; those of waiting senders are not among them.
  std::size_t size() const noexcept { return buffer_.size(); }
  std::size_t capacity() const noexcept { return buffer_.capacity(); }
  // A look at the moment, for monitoring and tests. Counts by walking.
  ChannelStatistics statistics() const noexcept {
    return {size(), capacity(), senders_.size(), receivers_.size(), is_closed_};
  }

  // `for (T& value : channel)` receives until the channel is closed and drained.
  //
  // Context:  fiber
  // Suspends: as receive().
  auto begin() { return detail::DrainIterator<Channel, T>(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::ChannelAccess;
  friend class detail::DrainIterator<Channel, T>;

  // False when it would have to wait. Somebody who receives tells that it is open.
  bool put(T& value) {
    home_.check("channel send");
    if (receivers_.is_empty()) return store(value);
    Waiter& receiver = receivers_.pop();
    static_cast<std::optional<T>*>(receiver.value)->emplace(std::move(value));
    detail::serve(receiver, Waiter::State::kServed);
    return true;
  }
  bool store(T& value) {
    if (is_closed_) [[unlikely]]
      detail::raise_closed("channel send");
    if (buffer_.is_full()) return false;
    buffer_.push(std::move(value));
    return true;
  }

  // False when it would have to wait, or is drained.
  bool take(std::optional<T>& into) {
    home_.check("channel receive");
    const bool is_buffered = !buffer_.is_empty();
    if (is_buffered) buffer_.pop_into(into);
    if (senders_.is_empty()) return is_buffered;
    take_from_sender(into);
    return true;
  }
  // The first of those who wait to send goes on: its value is received, or takes
  // the place in the buffer of the one that was.
  void take_from_sender(std::optional<T>& into) noexcept {
    Waiter& sender = senders_.pop();
    T& value = *static_cast<T*>(sender.value);
    into ? buffer_.push(std::move(value)) : static_cast<void>(into.emplace(std::move(value)));
    detail::serve(sender, Waiter::State::kServed);
  }

  void end_waits() noexcept {
    receivers_.serve_all(Waiter::State::kClosed);
    senders_.serve_all(Waiter::State::kClosed);
  }

  void pull(std::optional<T>& into) {
    detail::Fiber& self = detail::fiber_that_may_wait("channel receive");
    if (!take(into) && !is_closed_) detail::wait_in(receivers_, self, "channel receive", &into);
  }
  void wait_to_send(detail::Fiber& self, T& value) {
    if (detail::wait_in(senders_, self, "channel send", &value) == Waiter::State::kClosed)
        [[unlikely]] {
      detail::raise_closed("channel send");
    }
  }

  detail::Ring<T> buffer_;
  detail::WaitList senders_;    // not empty: the buffer is full
  detail::WaitList receivers_;  // not empty: the buffer is empty
  bool is_closed_ = false;
  detail::Home home_;
};

}  // namespace weft
