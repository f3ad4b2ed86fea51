#include <weft/runtime/detail/parked.h>
#include <weft/runtime/once.h>

namespace weft {

using detail::Parked;

bool Once::begin(detail::Fiber& self) {
  if (try_begin()) return true;
  detail::check_may_wait_for(holder_, self, "Once::call");
  Parked place(self, "Once::call");
  place.is_for(holder_);
  lot_.park(place);
  return place.note;  // its turn: pass_on() has made it the runner
}

bool Once::try_begin() noexcept {
  if (state_ != State::kNew) return false;
  state_ = State::kRunning;
  const detail::Fiber* const self = detail::runtime_thread.fiber;
  holder_.fiber = self == nullptr ? 0 : self->resource.async_id();
  return true;
}

void Once::end() noexcept {
  state_ = State::kDone;
  holder_.fiber = 0;
  lot_.unpark_all();
}

void Once::pass_on() noexcept {
  Parked* const next = lot_.front();
  if (next == nullptr) {
    state_ = State::kNew;
    holder_.fiber = 0;
    return;
  }
  next->note = true;
  holder_.fiber = next->id();
  lot_.unpark(1);
}

}  // namespace weft
