#include <algorithm>
#include <string>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/error.h>
#include <weft/runtime/parking_lot.h>

// Invariants:
//
// 1. A Parked is in the lot exactly while its `lot` says so, and its outcome is kWaiting.
// 2. Whoever takes it out sets the outcome and wakes the fiber. From then on the
//    fiber does not look at the lot, which may be gone when it runs.
// 3. So a place taken out by unpark() is out of a later cancel's reach (the wait is
//    over), and one taken out by a cancel is out of unpark()'s: nothing is lost.
// 4. A run that ends by force wakes a fiber which is still in a lot; it leaves by itself.

namespace weft {

using detail::Parked;

void ParkingLot::park(const char* what) {
  Parked place(detail::fiber_that_may_wait(what), what);
  park(place);
}

void ParkingLot::park(Parked& place) {
  check_loop(place.what);
  wait(place);
  place.check();
}

void ParkingLot::wait(Parked& place) noexcept {
  push(place);
  detail::park(place.fiber, place);
  if (place.lot != nullptr) [[unlikely]] {
    place.lot->remove(place);
    if (place.left != nullptr) place.left(place);
  }
}

std::size_t ParkingLot::unpark(std::size_t count) {
  check_loop("unpark");
  count = std::min(count, size_);
  for (std::size_t i = 0; i < count; ++i) {
    Parked& place = *first_;
    remove(place);
    place.outcome = Parked::Outcome::kUnparked;
    place.is_over = true;
    wake(place.fiber);
  }
  return count;
}

std::size_t ParkingLot::repark(ParkingLot& other, std::size_t count) {
  check_loop("repark");
  other.check_loop("repark");
  count = std::min(count, size_);
  for (std::size_t i = 0; i < count; ++i) {
    Parked& place = *first_;
    remove(place);
    other.push(place);
  }
  return count;
}

void ParkingLot::push(Parked& place) noexcept {
  place.lot = this;
  place.next = nullptr;
  place.previous = last_;
  (last_ != nullptr ? last_->next : first_) = &place;
  last_ = &place;
  ++size_;
}

void ParkingLot::remove(Parked& place) noexcept {
  (place.previous != nullptr ? place.previous->next : first_) = place.next;
  (place.next != nullptr ? place.next->previous : last_) = place.previous;
  place.lot = nullptr;
  --size_;
}

void ParkingLot::end(Parked& place) noexcept {
  remove(place);
  place.outcome = Parked::Outcome::kLotGone;
  place.is_over = true;
  wake(place.fiber);
}

void ParkingLot::end_all() noexcept {
  home_.require("~ParkingLot");
  while (!is_empty()) end(*first_);
}

namespace detail {

void Parked::leave(Wait& wait) {
  auto& place = static_cast<Parked&>(wait);
  place.lot->remove(place);
  place.outcome = Outcome::kCancelled;
  place.is_over = true;
  wake(place.fiber);
  if (place.left != nullptr) place.left(place);
}

void Parked::raise() const {
  if (outcome == Outcome::kLotGone) {
    throw UsageError(std::string(what) +
                     ": what this fiber waited for was destroyed; it must outlive its waiters");
  }
  raise_unserved(*this);
}

}  // namespace detail
}  // namespace weft
