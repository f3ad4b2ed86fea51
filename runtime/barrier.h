// Barrier: fibers wait for each other, again and again.
//
//   Barrier round(players);
//   for (;;) { move(); if (round.arrive_and_wait()) print_board(); }
//
// When as many wait as there are parties, all go on and the next phase begins. A
// fiber that is cancelled while it waits takes its arrival back. It belongs to
// the fibers of one loop: no atomics. It must outlive those who wait for it (see
// ParkingLot). Source: std::barrier; instead of a completion function one fiber of each phase
// is told that it is the one, as pthread_barrier_wait does.
#pragma once

#include <cstddef>

#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class Barrier {
 public:
  struct Statistics {
    std::size_t parties;
    std::size_t tasks_waiting;
  };

  // Errors: UsageError for 0.
  explicit Barrier(std::size_t parties);
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;
  ~Barrier() = default;

  // Arrives, and waits until all parties have. Returns true to one of them: the one
  // that came last, or the one that came first where a party that drops out ends the phase.
  //
  // Context:  fiber
  // Suspends: unless it is the last.
  // Errors:   UsageError outside of a fiber, or when all parties have dropped out.
  // Cancel:   Cancelled, also when nothing would wait; the arrival does not count.
  // Order:    the last goes on at once, the others in the order they came.
  bool arrive_and_wait() {
    detail::Fiber& self = detail::fiber_that_may_wait("Barrier::arrive_and_wait");
    if (try_arrive_and_wait()) return true;
    detail::Parked place(self, "Barrier::arrive_and_wait");
    lot_.park(place);
    return place.note;
  }

  // Arrives if it is the last, so that nothing waits; returns whether it did.
  //
  // Context: fiber, loop thread
  [[nodiscard]] bool try_arrive_and_wait() {
    lot_.check_loop("Barrier::try_arrive_and_wait");
    if (parties_ == 0) [[unlikely]]
      raise_no_party();
    if (lot_.size() + 1 < parties_) return false;
    lot_.unpark_all();
    return true;
  }

  // One party fewer from this phase on: it need not arrive any more.
  //
  // Context: fiber, loop thread
  // Errors:  UsageError when all parties have dropped out.
  void arrive_and_drop() {
    lot_.check_loop("Barrier::arrive_and_drop");
    if (parties_ == 0) [[unlikely]]
      raise_no_party();
    --parties_;
    if (lot_.size() != parties_ || lot_.is_empty()) return;
    lot_.front()->note = true;
    lot_.unpark_all();
  }

  Statistics statistics() const noexcept { return {parties_, lot_.size()}; }

 private:
  [[noreturn]] static void raise_no_party();

  std::size_t parties_;
  ParkingLot lot_;  // those who arrived in this phase; fewer than parties_
};

}  // namespace weft
