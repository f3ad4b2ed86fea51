#include <string>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/holder.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>

namespace weft::detail {

void raise_cannot_hold(const char* what) {
  EventLoop::current(what);
  throw UsageError(std::string(what) +
                   ": a callback cannot hold it; spawn() a fiber, or use a Semaphore");
}

void raise_cannot_wait_for(const Holder& holder, const Fiber& self, const char* what) {
  if (holder.fiber == self.resource.async_id()) {
    throw UsageError(std::string(what) + ": " + describe(self) +
                     " holds it already and would wait for itself");
  }
  throw UsageError(std::string(what) +
                   ": a fiber of another loop holds it; use one for each loop, or std::mutex");
}

bool ignore_release(const Holder& holder, const Fiber* self, const char* what) {
  const EventLoop& loop = EventLoop::current(what);
  if (loop.is_stopping()) return false;
  std::string by = "nobody";
  if (holder.fiber != 0) by = describe_fiber(loop, holder.fiber);
  if (holder.readers != 0) by = "readers";
  throw UsageError(std::string(what) + ": " + (self == nullptr ? "a callback" : describe(*self)) +
                   " cannot let go of it; it is held by " + by);
}

}  // namespace weft::detail
