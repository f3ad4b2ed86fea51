#include <weft/ctx/error.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/detail/report.h>

namespace weft {

using detail::Parked;

namespace {

constexpr const char* kWait = "ConditionVariable::wait";

}  // namespace

void ConditionVariable::wait(Mutex& mutex) {
  detail::Fiber& self = detail::fiber_that_may_wait(kWait);
  lot_.check_loop(kWait);
  if (mutex.statistics().owner != self.resource.async_id()) {
    throw UsageError(std::string(kWait) + ": " + describe(self) + " has not locked the mutex");
  }
  Parked place(self, kWait);
  place.primitive = &mutex;
  mutex.unlock();
  lot_.wait(place);
  if (place.outcome == Parked::Outcome::kUnparked) return;
  const bool was_notified = place.holder() != nullptr;
  if (!was_notified) mutex.lock_again(self);
  place.check();
}

void ConditionVariable::notify(std::size_t count) {
  lot_.check_loop("ConditionVariable::notify");
  for (; count > 0 && !lot_.is_empty(); --count) {
    Parked& first = *lot_.front();
    Mutex& mutex = *static_cast<Mutex*>(first.primitive);
    if (mutex.holder_.fiber == 0) {
      mutex.holder_.fiber = first.id();
      lot_.unpark(1);
    } else {
      first.abort = nullptr;
      first.is_for(mutex.holder_);
      lot_.repark(mutex.lot_, 1);
    }
  }
}

}  // namespace weft
