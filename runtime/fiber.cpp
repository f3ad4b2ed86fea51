#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>

namespace weft {

void yield() {
  detail::Fiber& self = detail::fiber_that_may_wait("yield");
  self.state = detail::Fiber::State::kReady;
  self.resumed_by = self.resource.async_id();
  self.loop->make_ready(self);
  self.loop->leave(self);
  if (detail::is_cancel_due(self)) [[unlikely]]
    throw Cancelled();
}

AsyncId resumed_by() noexcept {
  const detail::EventLoop* const loop = detail::EventLoop::current_or_null();
  return loop == nullptr || loop->running() == nullptr ? 0 : loop->running()->resumed_by;
}

}  // namespace weft
