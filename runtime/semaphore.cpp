#include <algorithm>
#include <string>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/parked.h>
#include <weft/runtime/semaphore.h>

namespace weft {

Semaphore::Semaphore(std::size_t permits, Options options)
    : permits_(permits), permits_max_(options.permits_max) {
  if (permits > permits_max_) {
    throw UsageError("Semaphore: " + std::to_string(permits) + " permits are more than the " +
                     std::to_string(permits_max_) + " that may be free");
  }
}

void Semaphore::acquire_slowly(detail::Fiber& self) {
  detail::Parked place(self, "Semaphore::acquire");
  lot_.park(place);
}

void Semaphore::release_slowly(std::size_t count) {
  const std::size_t handed_over = std::min(count, lot_.size());
  if (count - handed_over > permits_max_ - permits_) {
    throw UsageError("Semaphore::release: more than " + std::to_string(permits_max_) +
                     " permits would be free; release only what was acquired");
  }
  permits_ += count - lot_.unpark(handed_over);
}

}  // namespace weft
