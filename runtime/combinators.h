// Combinators: several functions at once, as one call.
//
//   auto [user, cart] = all([&] { return load_user(id); }, [&] { return load_cart(id); });
//   Reply reply = any([&] { return ask(near); }, [&] { return ask(far); });
//   auto pages = map_concurrent(urls, 8, [](const Url& url) { return fetch(url); });
//
// Each function runs as a task of a task group (task_group.h) that ends before the
// call does: what they capture by reference is safe, nothing is left behind, and a
// cancellation of the caller reaches all of them. A loser that is cancelled may take
// its time to clean up; the call waits for it.
//
// Where results stand side by side, that of a function without one is a monostate.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <weft/runtime/error.h>
#include <weft/runtime/task_group.h>

namespace weft {
namespace detail {

template <typename T>
using Kept = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
template <typename F, typename... Args>
using ResultOf = std::decay_t<std::invoke_result_t<F, Args...>>;

template <typename F, typename... Args>
Kept<ResultOf<F&, Args...>> call_kept(F& fn, Args&&... args) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, Args...>>) {
    std::invoke(fn, std::forward<Args>(args)...);
    return {};
  } else {
    return std::invoke(fn, std::forward<Args>(args)...);
  }
}

// A slot stays empty when its function threw a Cancelled that nobody had sent.
[[noreturn]] void raise_no_outcome(const char* what);
[[noreturn]] void raise_misuse(const char* text);

template <typename T>
T take_slot(std::optional<Kept<T>>& slot, const char* what) {
  if (!slot) raise_no_outcome(what);
  if constexpr (!std::is_void_v<T>) return *std::move(slot);
}

template <typename T>
std::conditional_t<std::is_void_v<T>, void, std::vector<T>> take_slots(
    std::vector<std::optional<Kept<T>>>& slots, const char* what) {
  if constexpr (std::is_void_v<T>) {
    for (auto& slot : slots) take_slot<T>(slot, what);
  } else {
    std::vector<T> results;
    results.reserve(slots.size());
    for (auto& slot : slots) results.push_back(take_slot<T>(slot, what));
    return results;
  }
}

// Starts what fills one slot.
template <typename Slot, typename F>
void spawn_for(Slot& slot, TaskGroup& group, F& fn) {
  group.spawn([&slot, &fn] { slot.emplace(call_kept(fn)); });
}

// What any() and race() keep while their functions run.
template <typename T>
class Contest {
 public:
  // Starts one contestant; the first with a result wins.
  template <typename F>
  void spawn_for_success(TaskGroup& group, F& fn) {
    group.spawn([this, &group, &fn] { run_for_success(group, fn); });
  }
  // The first that ends wins, either way.
  template <typename F>
  void spawn_for_end(TaskGroup& group, F& fn) {
    group.spawn([this, &group, &fn] { run_for_end(group, fn); });
  }

  T result_of_any() {
    if (!winner_ && !errors_.empty()) throw GroupError(std::move(errors_));
    return take_slot<T>(winner_, "any");
  }
  T result_of_race() {
    if (!errors_.empty()) std::rethrow_exception(errors_.front());
    return take_slot<T>(winner_, "race");
  }

 private:
  template <typename F>
  void run_for_success(TaskGroup& group, F& fn) {
    try {
      win(group, fn);
    } catch (const Cancelled&) {
      throw;
    } catch (...) {
      errors_.push_back(std::current_exception());
    }
  }
  template <typename F>
  void run_for_end(TaskGroup& group, F& fn) {
    try {
      win(group, fn);
    } catch (const Cancelled&) {
      throw;
    } catch (...) {
      if (winner_ || !errors_.empty()) return;
      errors_.push_back(std::current_exception());
      group.cancel("another ended first");
    }
  }
  template <typename F>
  void win(TaskGroup& group, F& fn) {
    auto result = call_kept(fn);
    if (winner_ || group.cancel_scope().cancel_called()) return;
    winner_.emplace(std::move(result));
    group.cancel("another ended first");
  }

  std::optional<Kept<T>> winner_;
  std::vector<std::exception_ptr> errors_;
};

}  // namespace detail

// Calls all at once; returns their results, in the order of the functions.
//
// Context:  fiber
// Suspends: until all have ended.
// Errors:   GroupError when one failed; the others are cancelled.
template <std::invocable... Fs>
std::tuple<detail::Kept<detail::ResultOf<Fs&>>...> all(Fs&&... fns) {
  std::tuple<std::optional<detail::Kept<detail::ResultOf<Fs&>>>...> slots;
  task_group([&](TaskGroup& group) {
    std::apply([&](auto&... slot) { (detail::spawn_for(slot, group, fns), ...); }, slots);
  });
  return std::apply(
      [](auto&... slot) {
        return std::tuple<detail::Kept<detail::ResultOf<Fs&>>...>(
            detail::take_slot<detail::Kept<detail::ResultOf<Fs&>>>(slot, "all")...);
      },
      slots);
}

// The same of a range of functions; returns a vector, or nothing if they do.
template <std::ranges::forward_range R>
requires std::invocable<std::ranges::range_reference_t<R>>
auto all(R&& fns) {
  using T = detail::ResultOf<std::ranges::range_reference_t<R>>;
  std::vector<std::optional<detail::Kept<T>>> slots(
      static_cast<std::size_t>(std::ranges::distance(fns)));
  task_group([&](TaskGroup& group) {
    auto* slot = slots.data();
    for (auto& fn : fns) detail::spawn_for(*slot++, group, fn);
  });
  return detail::take_slots<T>(slots, "all");
}

// Calls all at once; returns the first result and cancels the others.
//
// Context:  fiber
// Suspends: until all have ended.
// Errors:   GroupError when all failed.
template <std::invocable... Fs>
requires(sizeof...(Fs) > 0) auto any(Fs&&... fns) -> std::common_type_t<detail::ResultOf<Fs&>...> {
  detail::Contest<std::common_type_t<detail::ResultOf<Fs&>...>> contest;
  task_group([&](TaskGroup& group) { (contest.spawn_for_success(group, fns), ...); });
  return contest.result_of_any();
}
template <std::ranges::forward_range R>
requires std::invocable<std::ranges::range_reference_t<R>>
auto any(R&& fns) -> detail::ResultOf<std::ranges::range_reference_t<R>> {
  if (std::ranges::empty(fns)) detail::raise_misuse("any: no function was given, so none can win");
  detail::Contest<detail::ResultOf<std::ranges::range_reference_t<R>>> contest;
  task_group([&](TaskGroup& group) {
    for (auto& fn : fns) contest.spawn_for_success(group, fn);
  });
  return contest.result_of_any();
}

// Calls all at once; the first that ends, with a result or an error, decides, and the
// others are cancelled.
//
// Context:  fiber
// Suspends: until all have ended.
// Errors:   what the first threw, as it is.
template <std::invocable... Fs>
requires(sizeof...(Fs) > 0) auto race(Fs&&... fns) -> std::common_type_t<detail::ResultOf<Fs&>...> {
  detail::Contest<std::common_type_t<detail::ResultOf<Fs&>...>> contest;
  task_group([&](TaskGroup& group) { (contest.spawn_for_end(group, fns), ...); });
  return contest.result_of_race();
}
template <std::ranges::forward_range R>
requires std::invocable<std::ranges::range_reference_t<R>>
auto race(R&& fns) -> detail::ResultOf<std::ranges::range_reference_t<R>> {
  if (std::ranges::empty(fns)) detail::raise_misuse("race: no function was given, so none can win");
  detail::Contest<detail::ResultOf<std::ranges::range_reference_t<R>>> contest;
  task_group([&](TaskGroup& group) {
    for (auto& fn : fns) contest.spawn_for_end(group, fn);
  });
  return contest.result_of_race();
}

// Calls `fn` with each item, at most `limit` at a time, in the order of the items;
// returns the results in that order too, or nothing if `fn` does.
//
// Context:  fiber
// Suspends: until all have ended.
// Errors:   GroupError when a call failed; running ones are cancelled, no more begin.
//           UsageError when `limit` is 0.
// Shape:    `items` must not change meanwhile.
template <std::ranges::forward_range R, typename F>
requires std::invocable<F&, std::ranges::range_reference_t<R>>
auto map_concurrent(R&& items, std::size_t limit, F&& fn) {
  using T = detail::ResultOf<F&, std::ranges::range_reference_t<R>>;
  if (limit == 0)
    detail::raise_misuse("map_concurrent: the limit is 0; allow one call at a time at least");
  std::vector<std::optional<detail::Kept<T>>> slots(
      static_cast<std::size_t>(std::ranges::distance(items)));
  auto next = std::ranges::begin(items);
  std::size_t taken = 0;
  const auto work = [&] {
    while (taken < slots.size()) {
      auto& slot = slots[taken++];
      slot.emplace(detail::call_kept(fn, *next++));
    }
  };
  task_group([&](TaskGroup& group) {
    for (std::size_t i = std::min(limit, slots.size()); i > 0; --i) group.spawn(work);
  });
  return detail::take_slots<T>(slots, "map_concurrent");
}

}  // namespace weft
