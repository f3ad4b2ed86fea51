#include <algorithm>
#include <bit>
#include <utility>

#include <weft/runtime/detail/timer_wheel.h>

namespace weft::detail {

TimerWheel::TimerWheel() noexcept {
  for (Node& head : lists_) head.previous_ = head.next_ = &head;
}

std::uint64_t TimerWheel::next_event_ms() const noexcept {
  for (std::uint32_t level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto slot = static_cast<std::uint64_t>(std::countr_zero(occupied_[level]));
    const std::uint32_t above = (level + 1) * kBits;
    return (time_ms_ >> above << above) | (slot << (level * kBits));
  }
  return kNever;
}

void TimerWheel::descend(std::uint32_t level, std::uint32_t slot) noexcept {
  occupied_[level] &= ~(std::uint64_t{1} << slot);
  Node& head = lists_[level * kSlots + slot];
  Node* node = std::exchange(head.next_, &head);
  head.previous_ = &head;
  while (node != &head) {
    Node& moved = *node;
    node = node->next_;
    insert(moved);
  }
}

void TimerWheel::take_slot(std::uint32_t slot) noexcept {
  occupied_[0] &= ~(std::uint64_t{1} << slot);
  Node& head = lists_[slot];
  while (head.next_ != &head) {
    Node& node = *head.next_;
    head.next_ = node.next_;
    node.next_->previous_ = &head;
    link(node, kFiring);
  }
}

TimerWheel::Node* TimerWheel::pop_due(std::uint64_t now_ms) noexcept {
  Node& firing = lists_[kFiring];
  while (firing.next_ == &firing) {
    const std::uint64_t event_ms = next_event_ms();
    if (event_ms > now_ms) {
      time_ms_ = std::max(time_ms_, now_ms);
      return nullptr;
    }
    time_ms_ = event_ms;
    std::uint32_t level = 0;
    while (occupied_[level] == 0) ++level;
    const auto slot = static_cast<std::uint32_t>(std::countr_zero(occupied_[level]));
    level == 0 ? take_slot(slot) : descend(level, slot);
  }
  Node& due = *firing.next_;
  cancel(due);
  return &due;
}

bool TimerWheel::is_empty() const noexcept {
  return lists_[kFiring].next_ == &lists_[kFiring] && next_event_ms() == kNever;
}

TimerWheel::Node* TimerWheel::pop_any() noexcept {
  Node& firing = lists_[kFiring];
  if (firing.next_ == &firing) {
    const std::uint64_t event_ms = next_event_ms();
    if (event_ms == kNever) return nullptr;
    return pop_due(kLongestMs);
  }
  Node& node = *firing.next_;
  cancel(node);
  return &node;
}

}  // namespace weft::detail
