// ConditionVariable: waits, without the mutex, until what the mutex guards has changed.
//
//   const std::scoped_lock lock(mutex);
//   changed.wait(mutex, [&] { return !jobs.empty(); });
//
// First come, first served. A fiber that was notified waits only for the mutex, behind those who
// wait for it already, and holds it when wait() returns; no wake is spurious, but what
// it waits for may have changed again before it gets in: use the form with a predicate.
//
// A notified fiber is beyond cancellation until it holds the mutex, so no notification
// is lost in a fiber that ends. It belongs to the fibers and callbacks of one loop: no
// atomics. It and the mutex must outlive those who wait (see ParkingLot): where one does
// not, wait() throws a UsageError, with the mutex locked if that is left. A guard of a
// mutex that is gone must not unlock it.
// Source: trio's Condition. Unlike there, notifying does not need the mutex, and a
// cancelled fiber does not swallow a notification. There is no try_wait: the predicate tells.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>

#include <weft/runtime/mutex.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class ConditionVariable {
 public:
  struct Statistics {
    std::size_t tasks_waiting;  // to be notified
  };

  constexpr ConditionVariable() noexcept = default;
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;
  ~ConditionVariable() = default;

  // Unlocks `mutex`, waits until notified, and locks it again.
  //
  // Context:  the fiber that has locked `mutex`
  // Suspends: always.
  // Errors:   UsageError when this fiber has not locked `mutex`, or when one of the two is
  //           destroyed meanwhile.
  // Cancel:   Cancelled when nobody has notified it; `mutex` is locked again then, too.
  void wait(Mutex& mutex);

  // Waits until `is_true()`, which is called with the mutex locked.
  template <std::predicate Predicate>
  void wait(Mutex& mutex, Predicate is_true) {
    while (!std::invoke(is_true)) wait(mutex);
  }

  // Lets the first fiber, or all, lock their mutex and go on.
  //
  // Context: fiber, loop thread; with the mutex locked or not
  void notify_one() { notify(1); }
  void notify_all() { notify(lot_.size()); }

  Statistics statistics() const noexcept { return {lot_.size()}; }

 private:
  void notify(std::size_t count);

  ParkingLot lot_;  // before they are notified; after that they are in their mutex's
};

}  // namespace weft
