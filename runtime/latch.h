// Latch: waits until so many things have happened, once.
//
//   Latch loaded(3);
//   for (auto& part : parts) spawn([&] { part.load(); loaded.count_down(); });
//   loaded.wait();
//
// It counts down to 0 and stays there. It belongs to the fibers and callbacks of one
// loop: no atomics. It must outlive those who wait for it (see ParkingLot), but may
// be destroyed right after the count_down() that ends it. Source: std::latch.
#pragma once

#include <cstddef>

#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class Latch {
 public:
  struct Statistics {
    std::size_t count;  // left
    std::size_t tasks_waiting;
  };

  explicit constexpr Latch(std::size_t count) noexcept : count_(count) {}
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;
  ~Latch() = default;

  // Counts; at 0 all who wait are woken, in the order they came.
  //
  // Context: fiber, loop thread
  // Errors:  UsageError when fewer than `by` are left; nothing is counted then.
  void count_down(std::size_t by = 1) {
    lot_.check_loop("Latch::count_down");
    if (by > count_) [[unlikely]]
      raise_below_zero();
    count_ -= by;
    if (count_ == 0) lot_.unpark_all();
  }

  // Waits until the count is 0.
  //
  // Context:  fiber
  // Suspends: unless it is 0.
  // Errors:   UsageError outside of a fiber.
  // Cancel:   Cancelled, also when nothing would wait.
  void wait() {
    detail::fiber_that_may_wait("Latch::wait");
    lot_.check_loop("Latch::wait");
    if (count_ > 0) lot_.park("Latch::wait");
  }

  // Whether the count is 0, so that wait() would not wait.
  [[nodiscard]] bool try_wait() const noexcept { return count_ == 0; }

  // count_down(), then wait(). A cancelled wait leaves what was counted.
  void arrive_and_wait() {
    detail::fiber_that_may_wait("Latch::arrive_and_wait");
    count_down();
    wait();
  }

  Statistics statistics() const noexcept { return {count_, lot_.size()}; }

 private:
  [[noreturn]] static void raise_below_zero();

  std::size_t count_;
  ParkingLot lot_;  // empty at 0
};

}  // namespace weft
