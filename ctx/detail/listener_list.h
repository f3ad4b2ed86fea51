// ListenerList: functions that are called in order, and may change the list meanwhile.
//
// Invariants:
//
// 1. A round of calls sees the list as it was when the round began: what is added
//    meanwhile is not called, what is removed meanwhile still is (Node's rule, which
//    copies the array; here the changer copies it, if a round is under way).
// 2. A function lives until the last round that began with it has ended.
// 3. When the list itself dies, the rounds under way end after the running call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <weft/ctx/detail/counted.h>
#include <weft/ctx/error.h>
#include <weft/ctx/unique_function.h>

namespace weft::detail {

using ListenerKey = std::uint64_t;

// Never repeats in the process: a key kept too long removes nothing.
ListenerKey next_listener_key() noexcept;

template <typename... Args>
class ListenerList {
 public:
  using Function = UniqueFunction<void(Args...)>;

  enum class Place { kBack, kFront };
  enum class Calls { kMany, kOnce };

  ListenerList() = default;
  ListenerList(const ListenerList&) = delete;
  ListenerList& operator=(const ListenerList&) = delete;
  ~ListenerList() {
    if (state_) state_->is_over = true;
  }

  void add(ListenerKey key, Function function, Place place, Calls calls) {
    if (!function) throw UsageError("the listener is empty: give something that can be called");
    if (!state_) state_ = Ref(new State);
    Ref<Listener> listener(new Listener(key, std::move(function), calls));
    auto& all = state_->editable();
    all.insert(place == Place::kFront ? all.begin() : all.end(), std::move(listener));
  }

  // Adds at the end, or puts `function` in the place of the one with this key.
  void put(ListenerKey key, Function function) {
    const bool is_new = !state_ || state_->find(key) == state_->listeners->all.end();
    if (is_new) return add(key, std::move(function), Place::kBack, Calls::kMany);
    state_->editable();
    Ref<Listener> other(new Listener(key, std::move(function), Calls::kMany));
    std::swap(*state_->find(key), other);
  }

  bool remove(ListenerKey key) { return state_ && Ref<State>(state_)->remove(key); }

  // Removes all, and hands them to the caller: what they own may own the list.
  [[nodiscard]] auto take_all() {
    return state_ ? std::exchange(state_->listeners, Ref(new Listeners)) : Ref<Listeners>();
  }

  std::size_t size() const noexcept { return state_ ? state_->listeners->all.size() : 0; }

  // Calls `call` with each function. Returns whether there was one.
  template <typename Call>
  bool call_each(Call&& call) {
    if (size() == 0) return false;
    const Ref<State> state = state_;
    const Ref<Listeners> round = state->listeners;
    for (const Ref<Listener>& listener : round->all) {
      if (state->is_over) break;
      if (listener->calls == Calls::kOnce) {
        if (std::exchange(listener->was_called, true)) continue;  // by a round inside this one
        state->remove(listener->key);
      }
      call(listener->function);
    }
    return true;
  }

 private:
  struct Listener : Counted {
    Listener(ListenerKey its_key, Function its_function, Calls its_calls)
        : key(its_key), function(std::move(its_function)), calls(its_calls) {}
    ListenerKey key;
    Function function;
    Calls calls;
    bool was_called = false;
  };

  // Shared with the rounds under way, and immutable while it is.
  struct Listeners : Counted {
    std::vector<Ref<Listener>> all;
  };

  struct State : Counted {
    auto find(ListenerKey key) {
      auto& all = listeners->all;
      return std::find_if(all.begin(), all.end(),
                          [key](const auto& listener) { return listener->key == key; });
    }
    std::vector<Ref<Listener>>& editable() {
      if (listeners.is_shared()) {
        Ref<Listeners> copy(new Listeners);
        copy->all = listeners->all;
        listeners = std::move(copy);
      }
      return listeners->all;
    }
    bool remove(ListenerKey key) {
      if (find(key) == listeners->all.end()) return false;
      auto& all = editable();
      const auto at = find(key);
      const Ref<Listener> removed = std::move(*at);  // dies last: what it owns may look at us
      all.erase(at);
      return true;
    }

    Ref<Listeners> listeners{new Listeners};
    bool is_over = false;  // the list is gone
  };

  Ref<State> state_;  // null until the first listener
};

}  // namespace weft::detail
