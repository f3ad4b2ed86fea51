#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/select_case.h>

namespace weft::detail {

std::size_t pick_one(std::uint64_t ready) noexcept {
  EventLoop* const loop = EventLoop::current_or_null();
  const auto count = static_cast<std::uint64_t>(std::popcount(ready));
  for (std::uint64_t skip = loop == nullptr ? 0 : loop->pick(count); skip > 0; --skip) {
    ready &= ready - 1;
  }
  return static_cast<std::size_t>(std::countr_zero(ready));
}

SelectWait::SelectWait(Fiber& self, std::span<Waiter> waiters, WaitList* const* lists)
    : Wait("select", &leave), self_(self), waiters_(waiters) {
  for (std::size_t i = 0; i < waiters.size(); ++i) lists[i]->check_loop("select");
  self.wait = this;  // who serves a waiter ends this wait, also before the fiber parks
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    waiters[i].sibling = &waiters[(i + 1) % waiters.size()];
    lists[i]->push(waiters[i]);
  }
}

std::size_t SelectWait::wait() {
  if (!is_over) {
    if (is_cancel_due(self_)) raise_cancelled(self_);  // by a hook, while a case was armed
    park(self_, *this);
  }
  for (std::size_t i = 0; i < waiters_.size(); ++i) {
    if (waiters_[i].is_served()) return i;
  }
  give_up();  // a wait that was ended by force is still in its lists
  raise_unserved(*this);
}

void SelectWait::leave(Wait& wait) {
  auto& select = static_cast<SelectWait&>(wait);
  select.give_up();
  select.is_over = true;
  wake(select.self_);
}

}  // namespace weft::detail
