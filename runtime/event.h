// Event: something that happens, and that fibers wait for.
//
//   Event ready;
//   spawn([&] { ready.wait(); serve(); });
//   ready.set();  // lets all go on, and whoever comes later at once
//
// Set wakes everybody; clear() concerns only those who come after it. is_set() is
// what asks without waiting. It belongs to the fibers and callbacks of one loop: no
// atomics. It must outlive those who wait for it (see ParkingLot), but may be
// destroyed right after set(). Source: trio's Event, which has no clear().
#pragma once

#include <cstddef>

#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class Event {
 public:
  struct Statistics {
    bool is_set;
    std::size_t tasks_waiting;
  };

  constexpr Event() noexcept = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() = default;

  // Waits until the event is set.
  //
  // Context:  fiber
  // Suspends: unless it is set. A fiber that was woken goes on, whoever clears meanwhile.
  // Errors:   UsageError outside of a fiber.
  // Cancel:   Cancelled, also when nothing would wait.
  void wait() {
    detail::fiber_that_may_wait("Event::wait");
    lot_.check_loop("Event::wait");
    if (!is_set_) lot_.park("Event::wait");
  }

  // Wakes all who wait; they run in the order they came.
  //
  // Context: fiber, loop thread
  void set() {
    lot_.check_loop("Event::set");
    is_set_ = true;
    lot_.unpark_all();
  }

  void clear() noexcept {
    lot_.home().require("Event::clear");
    is_set_ = false;
  }
  bool is_set() const noexcept { return is_set_; }
  Statistics statistics() const noexcept { return {is_set_, lot_.size()}; }

 private:
  bool is_set_ = false;
  ParkingLot lot_;  // empty while it is set
};

}  // namespace weft
