// Mutex: lets one fiber at a time through a section that waits.
//
//   Mutex ledger("ledger");
//   const std::scoped_lock lock(ledger);
//   balance = read_balance();   // others run while this waits ...
//   write_balance(balance - 1); // ... but not in here
//
// Code that does not wait needs none: fibers of a loop run one at a time. The
// standard's guards fit: std::scoped_lock (of several, too), std::unique_lock.
//
// First come, first served: unlock() hands the mutex to the first who waits, and
// nobody gets in before. It belongs to a fiber: relocking it and unlocking
// another's are errors. A callback, which is no fiber, can own none; but it
// may unlock for the owner, as the end of an operation that the owner began.
//
// It belongs to the fibers of one loop: no atomics; for threads there is std::mutex.
// It must outlive those who wait for it (see ParkingLot).
// Source: trio's Lock. Unlike there, an owner that has ended does not break the lock,
// because a callback may still unlock it; a deadlock report names it.
#pragma once

#include <cstddef>

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/holder.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class Mutex {
 public:
  struct Statistics {
    bool locked;
    AsyncId owner;  // the fiber's; 0: unlocked
    std::size_t tasks_waiting;
  };

  // `name` says in errors and reports which one it is (Shape: a literal, or lives as long).
  explicit constexpr Mutex(const char* name = nullptr) noexcept : holder_{name} {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  // With fibers in ConditionVariable::wait() that would lock it again: they end as those
  // who wait for it do.
  ~Mutex() {
    if (first_sleeper_ != nullptr) [[unlikely]]
      end_sleepers();
  }

  // Waits until the mutex is the running fiber's.
  //
  // Context:  fiber
  // Suspends: when it is locked.
  // Errors:   UsageError when this fiber has locked it already, outside of a fiber, or
  //           when the owner is another loop's.
  // Cancel:   Cancelled, also when nothing would wait; the mutex is not the fiber's.
  void lock() {
    detail::Fiber& self = detail::fiber_that_may_wait("Mutex::lock");
    lot_.check_loop("Mutex::lock");
    if (holder_.fiber != 0) [[unlikely]]
      return lock_slowly(self);
    holder_.fiber = self.resource.async_id();
  }

  // Locks it if that needs no waiting; returns whether it did.
  //
  // Context: fiber
  // Errors:  UsageError when this fiber has locked it already.
  [[nodiscard]] bool try_lock() {
    const detail::Fiber* const self = detail::runtime_thread.fiber;
    lot_.check_loop("Mutex::try_lock");
    if (self == nullptr || holder_.fiber != 0) [[unlikely]]
      return refuse(self);
    holder_.fiber = self->resource.async_id();
    return true;
  }

  // Hands it to the fiber that has waited longest, if any.
  //
  // Context: the fiber that locked it, or a callback
  // Errors:  UsageError when another fiber has locked it, or none; ignored while a run
  //          is being stopped, which may end a wait for it by force.
  void unlock() {
    const detail::Fiber* const self = detail::runtime_thread.fiber;
    lot_.check_loop("Mutex::unlock");
    if (self == nullptr || holder_.fiber != self->resource.async_id() || !lot_.is_empty())
        [[unlikely]] {
      return unlock_slowly();
    }
    holder_.fiber = 0;
  }

  Statistics statistics() const noexcept {
    return {holder_.fiber != 0, holder_.fiber, lot_.size()};
  }

 private:
  friend class ConditionVariable;
  struct Sleeper;

  void lock_slowly(detail::Fiber& self);
  void unlock_slowly();
  // As lock(), but not to be cancelled. A run that ends by force leaves it unlocked.
  void lock_again(detail::Fiber& self) noexcept;
  bool refuse(const detail::Fiber* self) const;
  void end_sleepers() noexcept;

  detail::Holder holder_;
  ParkingLot lot_;                    // empty while nobody holds it
  Sleeper* first_sleeper_ = nullptr;  // in ConditionVariable::wait() with this mutex
};

}  // namespace weft
