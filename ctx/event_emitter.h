// EventEmitter: things that happen many times, told to whoever listens.
//
//   struct Data : EventType<std::string_view> {};
//   struct Close : EventType<> {};
//   EventEmitter<Data, Close> peer;  // or: class Peer : public EventEmitter<Data, Close>
//   const ListenerId id = peer.on<Data>([](std::string_view text) { log(text); });
//   peer.emit<Data>("hello");
//
// An event is a type where Node has a string: its arguments are checked, a misspelt
// name does not compile, and one object has several events, which is what a base
// class, remove_all() and EventEmitterAsyncResource are about.
//
// Listeners are called by emit(), in order, before it returns. What they see:
//
//   the context of emit()                 on<Data>(fn)
//   the context of on()                   on<Data>(bind(fn))
//   the context of the emitter's making   EventEmitterAsyncResource, below
//
// on() returns a ListenerId, a plain value, since C++ cannot compare lambdas as Node
// compares functions. It is no RAII guard: most listeners live as long as their
// emitter, and on() called as a statement must not remove what it added.
// An emitter is neither copied nor moved. It belongs to the loop or the thread it was made
// on, while that lives: elsewhere its calls throw UsageError (Loop::post gets there).
// Source: Node `EventEmitter`, without its newListener events and its listener limit.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/home.h>
#include <weft/ctx/detail/listener_list.h>
#include <weft/ctx/error.h>
#include <weft/ctx/unique_function.h>

namespace weft {

namespace detail {

// Several listeners get the same argument, so a value is shown, not given.
template <typename T>
using Shown = std::conditional_t<std::is_reference_v<T>, T, const T&>;

}  // namespace detail

// The base of an event. An argument given as a value arrives as a const reference,
// one given as an lvalue reference as that reference.
template <typename... Args>
struct EventType {
  static_assert((!std::is_rvalue_reference_v<Args> && ...),
                "several listeners cannot each take over an argument: use T or T&");
  using Listener = UniqueFunction<void(detail::Shown<Args>...)>;
};

// An event for what went wrong. Emitting it (or an event derived from it) while
// nobody listens throws the error out of emit(): errors do not vanish because
// somebody forgot on<ErrorEvent>(). Emitters that do not list it have no such rule.
// Source: Node's 'error' event.
struct ErrorEvent : EventType<std::exception_ptr> {};

// Names one registration; never repeats in the process.
enum class ListenerId : detail::ListenerKey {};

namespace detail {

template <typename... Args>
struct EventShape {
  using List = ListenerList<Shown<Args>...>;

  // Converts each argument once, not for every listener.
  static bool call(List& list, Shown<Args>... args) {
    return list.call_each([&](typename List::Function& listener) { listener(args...); });
  }
};

template <typename... Args>
EventShape<Args...> shape_of(const EventType<Args...>*);
template <typename E>
using ShapeOf = decltype(shape_of(static_cast<const E*>(nullptr)));

[[noreturn]] void raise_unheard(const std::exception_ptr& error);

}  // namespace detail

template <typename... Events>
class EventEmitter {
 public:
  EventEmitter() = default;
  EventEmitter(const EventEmitter&) = delete;
  EventEmitter& operator=(const EventEmitter&) = delete;
  // Inside one of its listeners too: the emit under way ends when that returns.
  ~EventEmitter() = default;

  // Calls `listener` at every emit of E from now on, behind those that are there.
  // Errors: UsageError when `listener` is empty.
  template <typename E>
  ListenerId on(typename E::Listener listener) {
    return add<E>(std::move(listener), Place<E>::kBack, Calls<E>::kMany);
  }

  // As on(), for the next emit only; removed before it is called.
  template <typename E>
  ListenerId once(typename E::Listener listener) {
    return add<E>(std::move(listener), Place<E>::kBack, Calls<E>::kOnce);
  }

  // As on() and once(), before the listeners that are there.
  // Source: Node `prependListener`, `prependOnceListener`.
  template <typename E>
  ListenerId prepend(typename E::Listener listener) {
    return add<E>(std::move(listener), Place<E>::kFront, Calls<E>::kMany);
  }
  template <typename E>
  ListenerId prepend_once(typename E::Listener listener) {
    return add<E>(std::move(listener), Place<E>::kFront, Calls<E>::kOnce);
  }

  // Removes a listener; returns whether it was there. An emit that is under way
  // still calls it: what it refers to must live until that has returned.
  bool off(ListenerId id) {
    detail::check_at_home(home_, "EventEmitter::off");
    const auto key = static_cast<detail::ListenerKey>(id);
    return (list<Events>().remove(key) || ...);
  }

  // Removes every listener of E, or of every event.
  template <typename E>
  void remove_all() {
    detail::check_at_home(home_, "EventEmitter::remove_all");
    const auto removed = list<E>().take_all();
  }
  void remove_all() {
    detail::check_at_home(home_, "EventEmitter::remove_all");
    // Dies last: what a listener owns may own the emitter.
    const auto removed = std::tuple(list<Events>().take_all()...);
  }

  // Calls the listeners of E with `args`; returns whether there was one.
  //
  // Order:  as registered. Listeners added meanwhile are not called, listeners removed
  //         meanwhile are. A listener may emit.
  // Errors: what a listener throws leaves emit; the listeners behind it are not called.
  template <typename E, typename... Args>
  bool emit(Args&&... args) {
    detail::check_at_home(home_, "EventEmitter::emit");
    if constexpr (std::derived_from<E, ErrorEvent>) {
      if (listener_count<E>() == 0) detail::raise_unheard(std::forward<Args>(args)...);
    }
    return detail::ShapeOf<E>::call(list<E>(), std::forward<Args>(args)...);
  }

  template <typename E>
  std::size_t listener_count() const noexcept {
    return std::get<Slot<E>>(lists_).list.size();
  }

 private:
  // One list per event; two events may have the same arguments.
  template <typename E>
  struct Slot {
    typename detail::ShapeOf<E>::List list;
  };
  template <typename E>
  using Place = typename detail::ShapeOf<E>::List::Place;
  template <typename E>
  using Calls = typename detail::ShapeOf<E>::List::Calls;

  template <typename E>
  auto& list() noexcept {
    static_assert((std::same_as<E, Events> || ...), "this emitter has no such event");
    return std::get<Slot<E>>(lists_).list;
  }

  template <typename E>
  ListenerId add(typename E::Listener listener, Place<E> place, Calls<E> calls) {
    detail::check_at_home(home_, "EventEmitter::on");
    const detail::ListenerKey key = detail::next_listener_key();
    list<E>().add(key, std::move(listener), place, calls);
    return ListenerId{key};
  }

  const AsyncId home_ = detail::home_of_now();
  std::tuple<Slot<Events>...> lists_;
};

// An EventEmitter that is a resource as well: every emit runs in the context in which
// the emitter was made, between before and after, whether somebody listens or not.
//
//   EventEmitterAsyncResource<Data, Close> peer("PEER");
//
// Source: Node `EventEmitterAsyncResource`; the type's name is always given.
template <typename... Events>
class EventEmitterAsyncResource : private EventEmitter<Events...> {
  using Emitter = EventEmitter<Events...>;

 public:
  using Options = AsyncResourceOptions;

  // Captures the current context and emits init.
  explicit EventEmitterAsyncResource(ResourceType type, const Options& options = {})
      : resource_(type, options) {}

  using Emitter::listener_count;
  using Emitter::off;
  using Emitter::on;
  using Emitter::once;
  using Emitter::prepend;
  using Emitter::prepend_once;
  using Emitter::remove_all;

  // As EventEmitter::emit, through the resource.
  template <typename E, typename... Args>
  bool emit(Args&&... args) {
    return resource_.run_in_async_scope(
        [&] { return Emitter::template emit<E>(std::forward<Args>(args)...); });
  }

  // Queues destroy, which dropping the emitter does otherwise. It can still emit.
  void emit_destroy() { resource_.emit_destroy(); }

  AsyncId async_id() const noexcept { return resource_.async_id(); }
  AsyncId trigger_async_id() const noexcept { return resource_.trigger_async_id(); }
  AsyncResource& async_resource() noexcept { return resource_; }

 private:
  AsyncResource resource_;
};

}  // namespace weft
