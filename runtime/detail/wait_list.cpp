#include <uv.h>

#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/wait_list.h>
#include <weft/runtime/error.h>

namespace weft::detail {
namespace {

void end_wait(Fiber& self) noexcept {
  self.wait->is_over = true;
  wake(self);
}

[[gnu::noinline]] void serve_one_of_many(Waiter& waiter) noexcept {
  for (Waiter* other = waiter.sibling; other != &waiter; other = other->sibling) other->give_up();
  end_wait(*waiter.self);
}

}  // namespace

void serve(Waiter& waiter, Waiter::State how) noexcept {
  waiter.state = how;
  if (waiter.sibling != nullptr) [[unlikely]]
    return serve_one_of_many(waiter);
  end_wait(*waiter.self);
}

std::size_t WaitList::size() const noexcept {
  std::size_t count = 0;
  for (const WaiterLink* link = ends_.next; link != &ends_; link = link->next) ++count;
  return count;
}

void SoleWait::leave(Wait& wait) {
  auto& self = static_cast<SoleWait&>(wait);
  self.give_up();
  end_wait(*self.self);
}

void SoleWait::leave_unserved() {
  give_up();  // a wait that was ended by force is still in its list
  raise_unserved(*this);
}

void raise_closed(const char* what) {
  uv_error(UV_EPIPE, what).raise();
}

}  // namespace weft::detail
