#include <utility>

#include <weft/runtime/detail/parked.h>
#include <weft/runtime/detail/sleeper.h>
#include <weft/runtime/mutex.h>

namespace weft {

using detail::Fiber;
using detail::Parked;

void Mutex::lock_slowly(Fiber& self) {
  detail::check_may_wait_for(holder_, self, "Mutex::lock");
  Parked place(self, "Mutex::lock");
  place.is_for(holder_);
  lot_.park(place);
}

void Mutex::lock_again(Fiber& self) noexcept {
  if (holder_.fiber == 0) {
    holder_.fiber = self.resource.async_id();
    return;
  }
  Parked place(self, "Mutex::lock");
  place.is_for(holder_);
  place.abort = nullptr;
  lot_.wait(place);
}

void Mutex::unlock_slowly() {
  if (!detail::may_release(holder_, "Mutex::unlock")) return;
  const Parked* const next = lot_.front();
  const AsyncId owner = next == nullptr ? 0 : next->id();
  lot_.unpark(1);
  holder_.fiber = owner;
}

void Mutex::end_sleepers() noexcept {
  while (first_sleeper_ != nullptr) {
    Sleeper& sleeper = *std::exchange(first_sleeper_, first_sleeper_->next_sleeper);
    sleeper.mutex = nullptr;
    if (sleeper.lot != nullptr) sleeper.lot->end(sleeper);
  }
}

bool Mutex::refuse(const Fiber* self) const {
  detail::check_may_hold(self, "Mutex::try_lock");
  detail::check_may_wait_for(holder_, *self, "Mutex::try_lock");
  return false;
}

}  // namespace weft
