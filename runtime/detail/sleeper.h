// Mutex::Sleeper: the place of a fiber in ConditionVariable::wait(), which its mutex knows,
// too: whichever of the two is destroyed first, the fiber touches neither any more.
#pragma once

#include <weft/runtime/detail/parked.h>
#include <weft/runtime/mutex.h>

namespace weft {

struct Mutex::Sleeper : detail::Parked {
  Sleeper(detail::Fiber& self, const char* waits_in, Mutex& its_mutex) noexcept
      : Parked(self, waits_in), mutex(&its_mutex), next_sleeper(its_mutex.first_sleeper_) {
    if (next_sleeper != nullptr) next_sleeper->previous_sleeper = this;
    its_mutex.first_sleeper_ = this;
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (mutex == nullptr) return;
    (previous_sleeper != nullptr ? previous_sleeper->next_sleeper : mutex->first_sleeper_) =
        next_sleeper;
    if (next_sleeper != nullptr) next_sleeper->previous_sleeper = previous_sleeper;
  }

  Mutex* mutex;  // null: destroyed
  Sleeper* previous_sleeper = nullptr;
  Sleeper* next_sleeper;
};

}  // namespace weft
