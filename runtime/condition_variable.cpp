#include <weft/ctx/error.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/sleeper.h>

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
  Mutex::Sleeper place(self, kWait, mutex);
  mutex.unlock();
  lot_.wait(place);
  if (place.outcome == Parked::Outcome::kUnparked) return;
  const bool was_notified = place.holder() != nullptr;
  if (!was_notified && place.mutex != nullptr) mutex.lock_again(self);
  place.check();
}

void ConditionVariable::notify(std::size_t count) {
  lot_.check_loop("ConditionVariable::notify");
  for (; count > 0 && !lot_.is_empty(); --count) {
    auto& first = static_cast<Mutex::Sleeper&>(*lot_.front());
    Mutex& mutex = *first.mutex;
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
