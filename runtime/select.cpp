#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/select_case.h>

namespace weft::detail {
namespace {

// A wait in several lists.
struct SelectWait : Wait {
  void give_up() noexcept {
    for (Waiter& waiter : waiters) waiter.give_up();
  }
  static void leave(Wait& wait) {
    auto& select = static_cast<SelectWait&>(wait);
    select.give_up();
    select.is_over = true;
    wake(select.self);
  }

  Fiber& self;
  std::span<Waiter> waiters;
};

}  // namespace

std::size_t pick_one(std::uint64_t ready) noexcept {
  EventLoop* const loop = EventLoop::current_or_null();
  const auto count = static_cast<std::uint64_t>(std::popcount(ready));
  for (std::uint64_t skip = loop == nullptr ? 0 : loop->pick(count); skip > 0; --skip) {
    ready &= ready - 1;
  }
  return static_cast<std::size_t>(std::countr_zero(ready));
}

std::size_t wait_for_one(Fiber& self, std::span<Waiter> waiters, std::span<WaitList* const> lists) {
  SelectWait wait{Wait("select", &SelectWait::leave), self, waiters};
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    waiters[i].sibling = &waiters[(i + 1) % waiters.size()];
    lists[i]->push(waiters[i]);
  }
  park(self, wait);
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    if (waiters[i].is_served()) return i;
  }
  wait.give_up();  // a wait that was ended by force is still in its lists
  raise_unserved(wait);
}

}  // namespace weft::detail
