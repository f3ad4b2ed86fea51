// The cases of a select, and how it waits for one of them.
//
// A case is a plain class that select() asks, in this order:
//
//   is_ready()  whether it could be taken now; takes nothing
//   take()      takes it, now that it is ready
//   list()      where to wait; whoever serves a waiter in there has taken the case
//   place()     what that waiter's value points to
//   arm()       starts what makes it ready later; hooks may run, and do anything
//   disarm()    ends what arm() started; also when it was not taken
//   finish(how) runs the callback of the case that was taken
//
// Another thing to select on needs a WaitList and one such class. Cases do not move:
// they live as long as the expression that calls select().
#pragma once

#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/runtime/channel.h>
#include <weft/runtime/detail/queue_state.h>
#include <weft/runtime/detail/wait_list.h>
#include <weft/runtime/queue.h>
#include <weft/runtime/timers.h>

namespace weft::detail {

// Of a channel's private part.
struct ChannelAccess {
  template <typename T>
  static bool can_send(const Channel<T>& at) noexcept {
    return !at.receivers_.is_empty() || !at.buffer_.is_full() || at.is_closed_;
  }
  template <typename T>
  static bool can_receive(const Channel<T>& at) noexcept {
    return !at.buffer_.is_empty() || !at.senders_.is_empty() || at.is_closed_;
  }
  template <typename T>
  static void put(Channel<T>& at, T& value) {
    at.put(value);
  }
  template <typename T>
  static void take(Channel<T>& at, std::optional<T>& into) {
    at.take(into);
  }
  template <typename T>
  static WaitList& senders(Channel<T>& at) noexcept {
    return at.senders_;
  }
  template <typename T>
  static void check_loop(const Channel<T>& of) {
    of.home_.check("select");
  }
  template <typename T>
  static WaitList& receivers(Channel<T>& at) noexcept {
    return at.receivers_;
  }
};

struct QueueAccess {
  template <typename T>
  static std::shared_ptr<QueueState<T>> state(const Queue<T>& of) noexcept {
    return of.state_;
  }
};

struct Unmovable {
  Unmovable() = default;
  Unmovable(const Unmovable&) = delete;
  Unmovable& operator=(const Unmovable&) = delete;
};

template <typename T, typename F>
class [[nodiscard]] ReceiveCase : Unmovable {
 public:
  static constexpr bool kWaits = true;

  ReceiveCase(Channel<T>& channel, F&& fn) : channel_(channel), fn_(std::move(fn)) {
    ChannelAccess::check_loop(channel);
  }

  bool is_ready() const noexcept { return ChannelAccess::can_receive(channel_); }
  void take() { ChannelAccess::take(channel_, value_); }
  void arm() noexcept {}
  WaitList& list() noexcept { return ChannelAccess::receivers(channel_); }
  void* place() noexcept { return &value_; }
  void disarm() noexcept {}
  auto finish(Waiter::State) { return std::invoke(fn_, std::move(value_)); }

 private:
  Channel<T>& channel_;
  F fn_;
  std::optional<T> value_;
};

template <typename T, typename F>
class [[nodiscard]] SendCase : Unmovable {
 public:
  static constexpr bool kWaits = true;

  SendCase(Channel<T>& channel, T&& value, F&& fn)
      : channel_(channel), value_(&value), fn_(std::move(fn)) {
    ChannelAccess::check_loop(channel);
  }
  SendCase(Channel<T>& channel, const T& value, F&& fn)
      : channel_(channel), copy_(value), value_(&*copy_), fn_(std::move(fn)) {
    ChannelAccess::check_loop(channel);
  }

  bool is_ready() const noexcept { return ChannelAccess::can_send(channel_); }
  void take() { ChannelAccess::put(channel_, *value_); }
  void arm() noexcept {}
  WaitList& list() noexcept { return ChannelAccess::senders(channel_); }
  void* place() noexcept { return value_; }
  void disarm() noexcept {}
  auto finish(Waiter::State how) {
    if (how == Waiter::State::kClosed) raise_closed("channel send");
    return std::invoke(fn_);
  }

 private:
  Channel<T>& channel_;
  std::optional<T> copy_;
  T* value_;  // the caller's, or the copy
  F fn_;
};

template <typename T, typename F>
class [[nodiscard]] PopCase : Unmovable {
 public:
  static constexpr bool kWaits = true;

  PopCase(const Queue<T>& queue, F&& fn) : queue_(QueueAccess::state(queue)), fn_(std::move(fn)) {}

  bool is_ready() const { return queue_->can_pop(); }
  void take() noexcept { queue_->pop_now(value_); }
  void arm() noexcept { keeps_loop_alive_.emplace(); }
  WaitList& list() noexcept { return queue_->consumers(); }
  void* place() noexcept { return &value_; }
  void disarm() noexcept { keeps_loop_alive_.reset(); }
  auto finish(Waiter::State) { return std::invoke(fn_, std::move(value_)); }

 private:
  std::shared_ptr<QueueState<T>> queue_;  // which may go while this waits
  F fn_;
  std::optional<T> value_;
  std::optional<RemoteWait> keeps_loop_alive_;
};

template <typename F>
class [[nodiscard]] AfterCase : Unmovable {
 public:
  static constexpr bool kWaits = true;

  AfterCase(std::chrono::nanoseconds delay, F&& fn) : delay_(delay), fn_(std::move(fn)) {}
  ~AfterCase() { disarm(); }

  bool is_ready() const noexcept { return false; }
  void take() noexcept {}
  void arm() {
    timer_ = set_timeout(delay_, [this] { waiting_.serve_all(Waiter::State::kServed); });
  }
  WaitList& list() noexcept { return waiting_; }
  void* place() noexcept { return nullptr; }
  void disarm() noexcept { timer_.clear(); }
  auto finish(Waiter::State) { return std::invoke(fn_); }

 private:
  std::chrono::nanoseconds delay_;
  F fn_;
  Timeout timer_;
  WaitList waiting_;  // who selects, until the timer fires
};

// Taken when no other is ready; select() never asks it anything else.
template <typename F>
class [[nodiscard]] OtherwiseCase : Unmovable {
 public:
  static constexpr bool kWaits = false;

  explicit OtherwiseCase(F&& fn) : fn_(std::move(fn)) {}

  bool is_ready() const noexcept { return false; }
  void take() noexcept {}
  auto finish(Waiter::State) { return std::invoke(fn_); }

 private:
  F fn_;
};

// A case that counts only while a condition holds.
template <typename Case>
class [[nodiscard]] WhenCase : Unmovable {
 public:
  static constexpr bool kWaits = true;

  WhenCase(bool is_on, Case& guarded) noexcept : is_on_(is_on), case_(guarded) {}

  bool is_ready() const noexcept { return is_on_ && case_.is_ready(); }
  void take() { case_.take(); }
  void arm() {
    if (is_on_) case_.arm();
  }
  WaitList& list() noexcept { return is_on_ ? case_.list() : nowhere_; }
  void* place() noexcept { return case_.place(); }
  void disarm() noexcept { case_.disarm(); }
  auto finish(Waiter::State how) { return case_.finish(how); }

 private:
  bool is_on_;
  Case& case_;
  WaitList nowhere_;  // in which nobody is served
};

template <typename C>
concept SelectCase = requires(C& one, const C& seen) {
  { C::kWaits } -> std::convertible_to<bool>;
  { seen.is_ready() } -> std::same_as<bool>;
  one.take();
  one.finish(Waiter::State::kServed);
};

// The index of a bit that is set, each as likely as another.
std::size_t pick_one(std::uint64_t ready) noexcept;

// A wait in several lists, from its making on.
class SelectWait : Wait {
 public:
  // As many lists as waiters.
  // Errors: UsageError when fibers of another loop wait in one.
  SelectWait(Fiber& self, std::span<Waiter> waiters, WaitList* const* lists);
  SelectWait(const SelectWait&) = delete;
  SelectWait& operator=(const SelectWait&) = delete;
  ~SelectWait() { give_up(); }

  // Waits until one waiter is served; returns its index.
  std::size_t wait();

 private:
  static void leave(Wait& wait);
  void give_up() noexcept {
    for (Waiter& waiter : waiters_) waiter.give_up();
  }

  Fiber& self_;
  std::span<Waiter> waiters_;
};

// Returns how many cases there are when none is ready.
template <typename... Cases>
std::size_t poll_cases(Cases&... cases) {
  std::uint64_t ready = 0;
  std::size_t at = 0;
  ((ready |= std::uint64_t{cases.is_ready()} << at++), ...);
  if (ready == 0) return sizeof...(cases);
  const std::size_t chosen = std::has_single_bit(ready)
                                 ? static_cast<std::size_t>(std::countr_zero(ready))
                                 : pick_one(ready);
  at = 0;
  static_cast<void>(((at++ == chosen && (cases.take(), true)) || ...));
  return chosen;
}

struct Chosen {
  std::size_t index;
  Waiter::State how;
};

template <typename... Cases>
Chosen wait_for_case(Fiber& self, Cases&... cases) {
  struct Disarm {
    std::tuple<Cases&...> all;
    ~Disarm() {
      std::apply([](Cases&... each) { (each.disarm(), ...); }, all);
    }
  } const disarm{{cases...}};
  Waiter waiters[] = {Waiter(self, cases.place())...};
  WaitList* const lists[] = {&cases.list()...};
  SelectWait wait(self, waiters, lists);
  // Last: a hook that sees a timer begin may serve a waiter, or destroy what it waits at.
  (cases.arm(), ...);
  const std::size_t chosen = wait.wait();
  return {chosen, waiters[chosen].state};
}

template <typename R, typename First, typename... Rest>
R finish_case(Chosen chosen, First& first, Rest&... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return first.finish(chosen.how);
  } else {
    if (chosen.index == 0) return first.finish(chosen.how);
    return finish_case<R>({chosen.index - 1, chosen.how}, rest...);
  }
}

// How many cases come before the otherwise().
template <typename... Cases>
constexpr std::size_t index_of_otherwise() {
  std::size_t at = 0;
  static_cast<void>(((!Cases::kWaits || (++at, false)) || ...));
  return at;
}

template <typename Case>
using CaseResult = decltype(std::declval<Case&>().finish(Waiter::State::kServed));

}  // namespace weft::detail
