// ParkingLot: a queue of fibers that wait until somebody wakes them.
//
// What Mutex, Semaphore, Event and their kin are built on, and what to build others
// with. It knows only who waits: whoever parks has looked at a condition of his
// own, whoever unparks has made it true.
//
//   void put(Item item) { items.push_back(item); lot.unpark(1); }
//   Item take() { while (items.empty()) lot.park(); return pop_front(items); }
//
// First come, first served. Waiting allocates nothing. A fiber that was unparked
// is beyond cancellation: it returns and is cancelled where it waits next, so that
// what it was woken for is never lost.
//
// It belongs to the fibers and callbacks of one loop: no locks, no atomics. That is the
// loop it was made in, or the first that uses it; when that has ended, the next. Another
// thread gets there with Loop::post: here and in all that is built on it, a call from
// there throws UsageError, or ends the process where it may not throw. It must outlive the fibers
// that wait in it; destroying it earlier ends each wait with a UsageError. Source: trio's
// ParkingLot.
#pragma once

#include <cstddef>

#include <weft/runtime/detail/home.h>

namespace weft {

namespace detail {
struct Parked;
}
class Mutex;

class ParkingLot {
 public:
  struct Statistics {
    std::size_t tasks_waiting;
  };

  constexpr ParkingLot() noexcept = default;
  ParkingLot(const ParkingLot&) = delete;
  ParkingLot& operator=(const ParkingLot&) = delete;
  ~ParkingLot() {
    if (!is_empty()) [[unlikely]]
      end_all();
  }

  // Waits until unparked, behind those who wait already. `what` names the wait in
  // reports (Shape: lives as long as the wait).
  //
  // Context:  fiber
  // Suspends: always.
  // Errors:   UsageError outside of a fiber, on another loop, or
  //           when the lot is destroyed meanwhile.
  // Cancel:   Cancelled; the fiber has left the queue.
  void park(const char* what = "ParkingLot::park");

  // Wakes the first `count` fibers, or all there are; returns how many.
  //
  // Context: loop thread
  // Order:   they run in the order they came, after the caller suspends or returns.
  // Errors:  UsageError on another loop.
  std::size_t unpark(std::size_t count);
  std::size_t unpark_all() { return unpark(size_); }

  // Moves the first `count` fibers, still waiting, to the end of another lot; returns
  // how many.
  std::size_t repark(ParkingLot& other, std::size_t count);
  std::size_t repark_all(ParkingLot& other) { return repark(other, size_); }

  bool is_empty() const noexcept { return first_ == nullptr; }
  std::size_t size() const noexcept { return size_; }
  Statistics statistics() const noexcept { return {size_}; }

  // For what is built on it and says more about its waiters: see detail/parked.h.
  // park() throws what check_loop() and Parked::check() do; wait() leaves that to the caller.
  void park(detail::Parked& place);
  void wait(detail::Parked& place) noexcept;
  // Errors: UsageError on another loop than the lot's.
  void check_loop(const char* what) const { home_.check(what); }
  const detail::Home& home() const noexcept { return home_; }
  detail::Parked* front() const noexcept { return first_; }  // null when empty

 private:
  friend struct detail::Parked;
  friend class Mutex;

  void push(detail::Parked& place) noexcept;
  void remove(detail::Parked& place) noexcept;
  // Ends the wait of `place`: what it waits for is gone.
  void end(detail::Parked& place) noexcept;
  void end_all() noexcept;

  detail::Parked* first_ = nullptr;
  detail::Parked* last_ = nullptr;
  std::size_t size_ = 0;
  detail::Home home_;
};

}  // namespace weft
