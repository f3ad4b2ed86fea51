#include <weft/ctx/error.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/shared_mutex.h>

namespace weft {

using detail::Fiber;
using detail::Parked;

void SharedMutex::lock_slowly(Fiber& self) {
  Parked place(self, "SharedMutex::lock");
  wait(place);
}

void SharedMutex::lock_shared_slowly(Fiber& self) {
  Parked place(self, "SharedMutex::lock_shared");
  place.note = true;  // a reader
  wait(place);
}

void SharedMutex::wait(Parked& place) {
  detail::check_may_wait_for(holder_, place.fiber, place.what);
  place.is_for(holder_);
  place.primitive = this;
  // Those behind a writer that gives up may get in.
  place.left = [](Parked& gone) { static_cast<SharedMutex*>(gone.primitive)->admit(); };
  lot_.park(place);
}

void SharedMutex::admit() {
  while (const Parked* const first = lot_.front()) {
    if (holder_.fiber != 0 || (!first->note && holder_.readers != 0)) return;
    if (first->note) {
      ++holder_.readers;
    } else {
      holder_.fiber = first->id();
    }
    lot_.unpark(1);
  }
}

void SharedMutex::unlock() {
  lot_.check_loop("SharedMutex::unlock");
  if (!detail::may_release(holder_, "SharedMutex::unlock")) return;
  holder_.fiber = 0;
  admit();
}

bool SharedMutex::refuse(const Fiber* self, const char* what) const {
  detail::check_may_hold(self, what);
  detail::check_may_wait_for(holder_, *self, what);
  return false;
}

bool SharedMutex::refuse_shared() const {
  const Fiber* const self = detail::runtime_thread.fiber;
  return self != nullptr && refuse(self, "SharedMutex::try_lock_shared");
}

void SharedMutex::check_stopping() {
  if (detail::EventLoop::current("SharedMutex::unlock_shared").is_stopping()) return;
  throw UsageError("SharedMutex::unlock_shared: no reader has it; unlock what lock() locked");
}

}  // namespace weft
