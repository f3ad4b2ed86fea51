// Parked: the place of one fiber in a ParkingLot; lives on its stack.
#pragma once

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/fiber.h>

namespace weft {

class ParkingLot;

namespace detail {

struct Parked : Wait {
  enum class Outcome : unsigned char {
    kWaiting,    // in a lot. Once the wait is over: the run ended it by force
    kUnparked,   // it got what it waited for
    kCancelled,  // it left the lot without
    kLotGone,    // the lot was destroyed
  };

  Parked(Fiber& self, const char* waits_in) noexcept : Wait(waits_in, &leave), fiber(self) {}
  Parked(const Parked&) = delete;
  Parked& operator=(const Parked&) = delete;

  AsyncId id() const noexcept { return fiber.resource.async_id(); }

  // Leaves the lot without what it waited for, as a cancelled fiber does.
  static void leave(Wait& wait);

  // Throws unless the outcome is kUnparked.
  // Errors: Cancelled; UsageError for kLotGone; std::errc::operation_canceled when the
  //         run ended the wait by force and Cancelled may not be thrown.
  void check() const {
    if (outcome != Outcome::kUnparked) [[unlikely]]
      raise();
  }

  Fiber& fiber;
  ParkingLot* lot = nullptr;  // null: in none, not yet or no more
  Parked* previous = nullptr;
  Parked* next = nullptr;
  Outcome outcome = Outcome::kWaiting;

  // Its primitive's own.
  void* primitive = nullptr;
  bool note = false;                     // what else it wants to know of the waiter
  void (*left)(Parked& gone) = nullptr;  // after it left the lot early; null: does not matter

 private:
  [[noreturn]] void raise() const;
};

}  // namespace detail
}  // namespace weft
