// TimerWheel: deadlines in milliseconds, O(1) to arm and to cancel.
//
// Eight levels of 64 slots; a deadline sits in the level of the highest bit in
// which it differs from the wheel's time, so a slot of level n covers 64^n ms.
// (Varghese and Lauck, scheme 7; the placement by XOR is tokio's.) Invariants:
//
// 1. Every occupied slot of a level lies after the wheel's own position there;
//    so the next event is the first bit of the lowest level that has one.
// 2. Timers of one deadline fire in the order they were armed: a slot is a FIFO,
//    and a slot's timers descend a level before anything can be armed below.
// 3. A node is in at most one list: a slot's, or that of the timers being fired.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace weft::detail {

class TimerWheel {
 public:
  class Node {
   public:
    // For the wheel's user: a Timer, the deadline of a cancel scope, an Alarm.
    enum class Kind : std::uint8_t { kTimer, kDeadline, kAlarm };

    Node() = default;
    explicit Node(Kind kind) noexcept : kind_(kind) {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    bool is_armed() const noexcept { return next_ != nullptr; }
    std::uint64_t deadline_ms() const noexcept { return deadline_ms_; }
    Kind kind() const noexcept { return kind_; }

   private:
    friend class TimerWheel;

    Node* previous_ = nullptr;
    Node* next_ = nullptr;  // null: not armed
    std::uint64_t deadline_ms_ = 0;
    std::uint32_t place_ = 0;  // level * 64 + slot, or kFiring
    Kind kind_ = Kind::kTimer;
  };

  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  // About 8,900 years; later deadlines are taken as this one.
  static constexpr std::uint64_t kLongestMs = (std::uint64_t{1} << 48) - 1;

  TimerWheel() noexcept;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Puts `node`, which is not armed, at `deadline_ms`; one that has passed fires at the next tick.
  void arm(Node& node, std::uint64_t deadline_ms) noexcept;
  // Takes `node`, which is armed, out.
  void cancel(Node& node) noexcept;

  // The time of the next event, at or before the first deadline; kNever when empty.
  std::uint64_t next_event_ms() const noexcept;

  // Moves the time on to `now_ms` and takes out the next node due by then; null when none is.
  Node* pop_due(std::uint64_t now_ms) noexcept;

  std::uint64_t time_ms() const noexcept { return time_ms_; }
  bool is_empty() const noexcept;
  // Calls `visit` with each node, in no order.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    for (const Node& head : lists_) {
      for (const Node* node = head.next_; node != &head; node = node->next_) visit(*node);
    }
  }
  // Takes out any node, for shutting down; null when empty.
  Node* pop_any() noexcept;

 private:
  static constexpr std::uint32_t kBits = 6;
  static constexpr std::uint32_t kSlots = 1U << kBits;
  static constexpr std::uint32_t kLevels = 8;
  static constexpr std::uint32_t kFiring = kLevels * kSlots;

  static constexpr auto kLevelOfBit = [] {
    std::array<std::uint8_t, 64> levels{};
    for (std::uint32_t bit = 0; bit < 64; ++bit) {
      levels[bit] = static_cast<std::uint8_t>(bit / kBits);
    }
    return levels;
  }();

  void link(Node& node, std::uint32_t place) noexcept;
  void insert(Node& node) noexcept;
  void descend(std::uint32_t level, std::uint32_t slot) noexcept;
  void take_slot(std::uint32_t slot) noexcept;

  std::uint64_t time_ms_ = 0;
  std::array<std::uint64_t, kLevels> occupied_{};
  std::array<Node, kLevels * kSlots + 1> lists_;  // heads of circular lists; the last: firing
};

// Inline, because every wait with a deadline arms and cancels.

inline void TimerWheel::link(Node& node, std::uint32_t place) noexcept {
  Node& head = lists_[place];
  node.place_ = place;
  node.previous_ = head.previous_;
  node.next_ = &head;
  head.previous_->next_ = &node;
  head.previous_ = &node;
}

inline void TimerWheel::insert(Node& node) noexcept {
  const std::uint64_t differing = node.deadline_ms_ ^ time_ms_;
  const auto highest_bit = static_cast<std::uint32_t>(std::bit_width(differing | 1)) - 1;
  const std::uint32_t level = kLevelOfBit[highest_bit];
  const auto slot = static_cast<std::uint32_t>(node.deadline_ms_ >> (level * kBits)) & (kSlots - 1);
  occupied_[level] |= std::uint64_t{1} << slot;
  link(node, level * kSlots + slot);
}

inline void TimerWheel::arm(Node& node, std::uint64_t deadline_ms) noexcept {
  node.deadline_ms_ = std::clamp(deadline_ms, time_ms_ + 1, kLongestMs);
  insert(node);
}

inline void TimerWheel::cancel(Node& node) noexcept {
  node.previous_->next_ = node.next_;
  node.next_->previous_ = node.previous_;
  // The list is empty when both neighbours were its head.
  if (node.previous_ == node.next_ && node.place_ != kFiring) {
    occupied_[node.place_ / kSlots] &= ~(std::uint64_t{1} << (node.place_ % kSlots));
  }
  node.next_ = nullptr;
}

}  // namespace weft::detail
