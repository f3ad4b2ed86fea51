#include <string>

#include <uv.h>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/leave.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/wait_list.h>

namespace weft::detail {
namespace {

// The wait of a fiber in one list.
struct SoleWait : Wait, Waiter {
  SoleWait(Fiber& fiber, const char* waits_for, void* at) noexcept
      : Wait(waits_for, &leave), Waiter(fiber, at) {}

  static void leave(Wait& wait) {
    auto& self = static_cast<SoleWait&>(wait);
    self.give_up();
    self.is_over = true;
    wake(*self.self);
  }
};

[[noreturn, gnu::noinline]] void leave_unserved(SoleWait& wait) {
  wait.give_up();  // a wait that was ended by force is still in its list
  raise_unserved(wait);
}

}  // namespace

void serve(Waiter& waiter, Waiter::State how) noexcept {
  waiter.state = how;
  if (waiter.sibling != nullptr) [[unlikely]] {
    for (Waiter* other = waiter.sibling; other != &waiter; other = other->sibling) other->give_up();
  }
  waiter.self->wait->is_over = true;
  wake_inline(*waiter.self);
}

Waiter::State wait_in(WaitList& list, Fiber& self, const char* what, void* at) {
  list.check_loop(what);
  SoleWait wait(self, what, at);
  list.push(wait);
  park_inline(self, wait);
  if (!wait.is_served()) [[unlikely]]
    leave_unserved(wait);
  return wait.state;
}

std::size_t WaitList::size() const noexcept {
  std::size_t count = 0;
  for (const WaiterLink* link = ends_.next; link != &ends_; link = link->next) ++count;
  return count;
}

void raise_not_their_loop(const char* what) {
  throw UsageError(std::string(what) +
                   ": fibers of another loop wait here; between threads use a Queue or Loop::post");
}

void raise_closed(const char* what) {
  uv_error(UV_EPIPE, what).raise();
}

}  // namespace weft::detail
