// Semaphore: a number of permits, of which a fiber takes one to go on.
//
//   Semaphore connections(10);
//   const Semaphore::Permit permit(connections);  // released at the end of the scope
//
// First come, first served: release() hands the permit to the first who waits, and
// nobody gets in before. Permits belong to nobody: whoever likes releases, also a
// callback. What must be released by its owner is a Mutex.
//
// It belongs to the fibers and callbacks of one loop: no atomics. It must outlive
// those who wait for it (see ParkingLot). Source: trio's Semaphore, std::counting_semaphore.
#pragma once

#include <cstddef>
#include <limits>
#include <utility>

#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

struct SemaphoreOptions {
  // More must never be free at once: release() then throws.
  std::size_t permits_max = std::numeric_limits<std::size_t>::max();
};

class Semaphore {
 public:
  using Options = SemaphoreOptions;

  struct Statistics {
    std::size_t permits;  // free
    std::size_t tasks_waiting;
  };

  // Acquires a permit and releases it when dropped.
  class [[nodiscard]] Permit {
   public:
    explicit Permit(Semaphore& of) : of_((of.acquire(), &of)) {}
    Permit(Permit&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (of_ != nullptr) of_->release();
    }

   private:
    Semaphore* of_;  // null: moved from
  };

  // Errors: UsageError when there are more permits than may be.
  explicit Semaphore(std::size_t permits, Options options = {});
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore() = default;

  // Waits for a permit and takes it.
  //
  // Context:  fiber
  // Suspends: when none is free.
  // Errors:   UsageError outside of a fiber.
  // Cancel:   Cancelled, also when nothing would wait; no permit was taken.
  void acquire() {
    detail::Fiber& self = detail::fiber_that_may_wait("Semaphore::acquire");
    lot_.check_loop("Semaphore::acquire");
    if (permits_ == 0) [[unlikely]]
      return acquire_slowly(self);
    --permits_;
  }

  // Takes a permit if one is free; returns whether it did.
  //
  // Context: fiber, loop thread
  [[nodiscard]] bool try_acquire() noexcept {
    lot_.home().require("Semaphore::try_acquire");
    if (permits_ == 0) return false;
    --permits_;
    return true;
  }

  // Gives back `count` permits: to those who wait first, the rest becomes free.
  //
  // Context: fiber, loop thread
  // Errors:  UsageError when more would be free than may be; nothing is released then.
  void release(std::size_t count = 1) {
    lot_.check_loop("Semaphore::release");
    if (!lot_.is_empty() || count > permits_max_ - permits_) [[unlikely]]
      return release_slowly(count);
    permits_ += count;
  }

  Statistics statistics() const noexcept { return {permits_, lot_.size()}; }

 private:
  void acquire_slowly(detail::Fiber& self);
  void release_slowly(std::size_t count);

  std::size_t permits_;
  std::size_t permits_max_;
  ParkingLot lot_;  // empty while a permit is free
};

}  // namespace weft
