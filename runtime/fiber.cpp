#include <weft/runtime/detail/leave.h>
#include <weft/runtime/fiber.h>

namespace weft {

void yield() {
  detail::Fiber* const self = detail::runtime_thread.fiber;
  if (self == nullptr) [[unlikely]]
    detail::raise_cannot_wait("yield");
  self->loop->yield(*self);
}

AsyncId resumed_by() noexcept {
  const detail::Fiber* const self = detail::runtime_thread.fiber;
  return self == nullptr ? 0 : self->resumed_by;
}

}  // namespace weft
