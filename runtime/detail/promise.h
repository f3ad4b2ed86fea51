// PromiseCore: one promise, which is also its own reaction and its own job.
//
// What then() makes is one block: the promise it returns, the callables, the link
// in the list of the promise it reacts to, and later the job in the ready queue.
// Invariants:
//
// 1. A core is linked in one list at most, through Runnable::next: as a reaction
//    of a pending promise, as a job in the ready queue, or, rejected, among those
//    the loop looks at after its drain. That list holds one reference.
// 2. is_locked from the first resolve or reject on; what comes later is ignored.
//    A locked promise is pending while it follows another (adoption) and while
//    the promise_resolve hooks run.
// 3. Reactions are jobs: none runs inside the call that settles. A fiber that
//    awaits stands in the same list, in its turn, and is woken instead.
// 4. References are not atomic: a promise belongs to the thread of its loop.
// 5. A value lies in the promise that was given it; a promise that takes over the
//    outcome of another refers to that one (`other`), always to where it lies.
// 6. None waits for itself: what a promise is to follow is asked, along `other`, what it
//    waits for in turn, 64 steps far. A circle never settles and holds itself for ever.
//
// Source: V8's promises as Node's hooks show them, event by event.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/block_pool.h>
#include <weft/ctx/detail/resource_access.h>
#include <weft/runtime/detail/ready_queue.h>
#include <weft/runtime/detail/typed_fiber.h>

namespace weft {

template <typename T>
class Future;

namespace detail {

class PromiseCore;

// What a promise's own type knows.
struct PromiseType {
  // Reacts to `other`, which is settled, and settles `self`. Inside the call scope
  // of `self`. Null: a promise that reacts to nothing.
  void (*react)(PromiseCore& self);
  // Destroys it and frees its block; returns a reference that it held, or null.
  PromiseCore* (*drop)(PromiseCore& self) noexcept;
};

class PromiseCore : public Job {
 public:
  enum class State : std::uint8_t { kPending, kFulfilled, kRejected };

  PromiseCore(const PromiseType& of, std::uint32_t held) noexcept
      : Job(&run_job), references(held), type(&of), resource("PROMISE", ResourceAccess::Unborn{}) {}
  PromiseCore(const PromiseCore&) = delete;
  PromiseCore& operator=(const PromiseCore&) = delete;

  bool is_pending() const noexcept { return state == State::kPending; }
  bool has_reactions() const noexcept { return first != nullptr; }
  void own(PromiseCore& that) noexcept {
    other = &that;
    owns_other = true;
  }
  void wait_for(PromiseCore& that) noexcept {
    other = &that;
    owns_other = false;
  }
  void link(Runnable& reaction) noexcept {
    reaction.next = nullptr;
    *end = &reaction;
    end = &reaction.next;
  }

  std::uint32_t references;
  State state = State::kPending;
  bool is_locked = false;
  bool is_following = false;  // its next job begins to follow `other`
  bool is_handled = false;    // somebody reacts or has looked: a rejection is nobody else's matter
  bool is_taken = false;      // the value was moved out, which only happens to one without copies
  bool owns_other = false;    // `other` counts as a reference
  const PromiseType* type;
  Runnable* first = nullptr;  // reactions: cores, and the nodes of fibers that await
  Runnable** end = &first;
  // While pending, what it reacts to or follows: an own reference while its job is ready.
  // Once settled, the promise that holds its value: an own reference. Null: none, or itself.
  PromiseCore* other = nullptr;
  std::exception_ptr error;  // when rejected
  // Its frame is that of its next job: of the then() that made it, or of the resolve
  // that made it follow; when it is rejected and nobody looks, that of the rejection.
  AsyncResource resource;

 protected:
  ~PromiseCore() = default;

 private:
  static void run_job(Job& job, EventLoop& loop) noexcept;
};

// --- references ---

void destroy_chain(PromiseCore& promise) noexcept;
inline void destroy(PromiseCore& promise) noexcept {
  if (promise.first != nullptr || promise.other != nullptr) return destroy_chain(promise);
  PromiseCore* const held = promise.type->drop(promise);
  if (held != nullptr && --held->references == 0) [[unlikely]]
    destroy_chain(*held);
}
template <typename Core>
Core& retain(Core& promise) noexcept {
  ++promise.references;
  return promise;
}
inline void release(PromiseCore& promise) noexcept {
  if (--promise.references == 0) destroy(promise);
}

// --- life ---

inline bool is_of_this_loop(const PromiseCore& promise) noexcept {
  return is_of_running_loop(promise.resource.async_id());
}
[[noreturn]] void raise_no_loop();
[[noreturn]] void raise_other_loop(const char* what);
[[noreturn]] void raise_no_promise(const char* what);
[[noreturn]] void raise_taken(const char* what);
[[noreturn]] void raise_no_error();
[[noreturn]] void raise_rejection(const PromiseCore& promise);

// Makes a reaction a job; `parent` is settled.
void make_ready(PromiseCore& reaction, PromiseCore& parent) noexcept;

// Both emit init, on a loop. A root's trigger is the running resource, a reaction's
// its parent.
inline void begin(PromiseCore& root) {
  ResourceAccess::begin(root.resource, ++thread_state.last_async_id,
                        thread_state.execution->async_id, {});
}
inline void begin(PromiseCore& reaction, PromiseCore& parent, FrameRef frame) {
  ResourceAccess::begin(reaction.resource, ++thread_state.last_async_id, parent.resource.async_id(),
                        std::move(frame));
  parent.is_handled = true;
  if (!parent.is_pending()) return make_ready(reaction, parent);
  reaction.wait_for(parent);
  parent.link(reaction);
}

// --- settling; each ignores a promise that is locked, unless it says otherwise ---

// For one that is locked, and whose value is in place.
void fulfil(PromiseCore& promise) noexcept;
void reject(PromiseCore& promise, std::exception_ptr error) noexcept;
// Settles a locked promise as `from` is.
void forward(PromiseCore& promise, PromiseCore& from) noexcept;
// Makes it settle as `from` does, later. Takes over the reference.
// Errors: UsageError when `from` waits for `promise`, or is another loop's.
void follow(PromiseCore& promise, PromiseCore& from);
// As finally: makes it settle as `kept` did once `first` is fulfilled, or as `first` does
// when that fails. Takes over the reference to `first`; null: there is nothing to wait for.
void follow_after(PromiseCore& promise, PromiseCore* first, PromiseCore& kept);
// The producing end is gone.
void abandon(PromiseCore& promise) noexcept;

// Waits until it is settled.
void wait_settled(PromiseCore& promise);

// --- cores with a type ---

// Memory for one block of type C, which is constructed from `args`.
template <typename C, typename... Args>
C& make_core(Args&&... args) {
  static_assert(alignof(C) <= kBlockUnit, "align what a promise holds to 16 bytes at most");
  void* const block = allocate_block(sizeof(C));
  try {
    return *::new (block) C(std::forward<Args>(args)...);
  } catch (...) {
    free_block(block, sizeof(C));
    throw;
  }
}

template <typename C>
PromiseCore* drop_core(PromiseCore& core) noexcept {
  C& typed = static_cast<C&>(core);
  typed.~C();
  free_block(&typed, sizeof(C));
  return nullptr;
}

// A promise with room for a value.
template <typename T>
class ValueCore : public PromiseCore {
 public:
  using Stored = StoredResult<T>;

  using PromiseCore::PromiseCore;

  template <typename... Args>
  void fulfil_with(Args&&... args) {
    if (is_locked) return;
    value.emplace(std::forward<Args>(args)...);
    is_locked = true;
    fulfil(*this);
  }

  // Where the value lies, once fulfilled.
  ValueCore& source() noexcept {
    return other == nullptr ? *this : static_cast<ValueCore&>(*other);
  }
  const Stored& read(const char* what) {
    ValueCore& at = source();
    if constexpr (!std::is_copy_constructible_v<Stored>) {
      if (at.is_taken) raise_taken(what);
    }
    return *at.value;
  }
  // The value itself when it can only be moved, else a copy of it.
  Stored take(const char* what) {
    ValueCore& at = source();
    if constexpr (std::is_copy_constructible_v<Stored>) {
      return *at.value;
    } else {
      if (std::exchange(at.is_taken, true)) raise_taken(what);
      return std::move(*at.value);
    }
  }
  // Whether the only reference to this promise is the only way to its value.
  bool is_sole() const noexcept {
    return references == 1 && (other == nullptr || other->references == 1);
  }

  std::optional<Stored> value;

 protected:
  ~ValueCore() = default;
};

// One that a Promise settles.
template <typename T>
class RootCore final : public ValueCore<T> {
 public:
  explicit RootCore(std::uint32_t held) noexcept : ValueCore<T>(kType, held) {}

 private:
  static constexpr PromiseType kType{nullptr, &drop_core<RootCore>};
};

template <typename T>
RootCore<T>& make_root(std::uint32_t held) {
  if (runtime_thread.loop == nullptr) [[unlikely]]
    raise_no_loop();
  RootCore<T>& core = make_core<RootCore<T>>(held);
  begin(core);
  return core;
}

// --- reactions ---

template <typename R>
struct Unwrapped {
  using Type = R;
  static constexpr bool kIsFuture = false;
};
template <typename T>
struct Unwrapped<Future<T>> {
  using Type = T;
  static constexpr bool kIsFuture = true;
};

// What a reaction to a T is called with: the value to read, or, if it asks for one
// that can only be moved, the value itself.
template <typename T>
struct CallWith {
  template <typename F>
  static constexpr bool kReads = std::is_invocable_v<F&, const T&>;
  template <typename F>
  static constexpr bool kFits = kReads<F> || std::is_invocable_v<F&, T&&>;

  template <typename F>
  static decltype(auto) call(F& fn, ValueCore<T>& parent) {
    if constexpr (kReads<F>) {
      return std::invoke(fn, parent.read("then"));
    } else {
      return std::invoke(fn, parent.take("then"));
    }
  }
};
template <>
struct CallWith<void> {
  template <typename F>
  static constexpr bool kFits = std::is_invocable_v<F&>;

  template <typename F>
  static decltype(auto) call(F& fn, ValueCore<void>&) {
    return std::invoke(fn);
  }
};

template <typename T, typename F>
using ReactionResult =
    std::decay_t<decltype(CallWith<T>::call(std::declval<F&>(), std::declval<ValueCore<T>&>()))>;
template <typename F>
using ErrorResult = std::decay_t<std::invoke_result_t<F&, std::exception_ptr>>;

template <typename E>
concept Exception = !std::is_convertible_v<E, std::exception_ptr>;  // nullptr is none either
template <typename V, typename T>
concept ValueFor = std::convertible_to<V, T> && !Unwrapped<std::decay_t<V>>::kIsFuture;
template <typename F, typename T>
concept ValueReaction = CallWith<T>::template kFits<F>;
template <typename F>
concept ErrorReaction = std::is_invocable_v<F&, std::exception_ptr>;

// Of a future's private part.
struct FutureAccess {
  // Takes over the reference.
  template <typename T>
  static Future<T> make(ValueCore<T>& core) noexcept {
    return Future<T>(core);
  }
  template <typename T>
  static ValueCore<T>& core(const Future<T>& future, const char* what) {
    return future.core(what);
  }
};

// Settles `self` with what `call` returns.
template <typename U, typename Call>
void settle_with(ValueCore<U>& self, Call&& call) {
  using R = std::decay_t<std::invoke_result_t<Call>>;
  if constexpr (Unwrapped<R>::kIsFuture) {
    static_assert(std::is_same_v<typename Unwrapped<R>::Type, U>,
                  "all reactions of one then() give the same type");
    const R result = call();
    follow(self, retain(FutureAccess::core(result, "then")));
  } else if constexpr (std::is_void_v<R>) {
    static_assert(std::is_void_v<U>, "all reactions of one then() give the same type");
    call();
    self.fulfil_with();
  } else {
    static_assert(std::is_convertible_v<R, U>, "all reactions of one then() give the same type");
    self.fulfil_with(call());
  }
}

// In place of a callable: the outcome goes on as it is.
struct PassOn {};

template <typename OnValue, typename OnError>
struct Handlers {
  [[no_unique_address]] OnValue on_value;
  [[no_unique_address]] OnError on_error;
};

// What then() and catch_error() make: of T, it gives U.
template <typename T, typename U, typename OnValue, typename OnError>
class Reaction final : public ValueCore<U> {
 public:
  using Both = Handlers<OnValue, OnError>;

  Reaction(Both&& handlers, std::uint32_t held)
      : ValueCore<U>(kType, held), handlers_(std::move(handlers)) {}

 private:
  static void react(PromiseCore& core) {
    auto& self = static_cast<Reaction&>(core);
    auto& parent = static_cast<ValueCore<T>&>(*std::exchange(self.other, nullptr));
    try {
      parent.state == PromiseCore::State::kFulfilled ? self.on_value(parent)
                                                     : self.on_error(parent);
    } catch (...) {
      reject(self, std::current_exception());
    }
    self.handlers_.reset();
    release(parent);
  }

  void on_value(ValueCore<T>& parent) {
    if constexpr (std::is_same_v<OnValue, PassOn>) {
      this->is_locked = true;
      forward(*this, parent);
    } else {
      settle_with<U>(*this, [&]() -> decltype(auto) {
        return CallWith<T>::call(handlers_->on_value, parent);
      });
    }
  }
  void on_error(ValueCore<T>& parent) {
    if constexpr (std::is_same_v<OnError, PassOn>) {
      reject(*this, parent.error);
    } else {
      settle_with<U>(*this, [&]() -> decltype(auto) {
        return std::invoke(handlers_->on_error, parent.error);
      });
    }
  }

  static constexpr PromiseType kType{&react, &drop_core<Reaction>};

  std::optional<Both> handlers_;
};

// What finally() makes.
template <typename T, typename F>
class FinalReaction final : public ValueCore<T> {
 public:
  FinalReaction(F&& fn, std::uint32_t held) : ValueCore<T>(kType, held), fn_(std::move(fn)) {}

 private:
  static void react(PromiseCore& core) {
    auto& self = static_cast<FinalReaction&>(core);
    PromiseCore& parent = *std::exchange(self.other, nullptr);
    try {
      using R = std::decay_t<std::invoke_result_t<F&>>;
      if constexpr (Unwrapped<R>::kIsFuture) {
        const R result = std::invoke(*self.fn_);
        follow_after(self, &retain(FutureAccess::core(result, "finally")), parent);
      } else {
        std::invoke(*self.fn_);
        follow_after(self, nullptr, parent);
      }
    } catch (...) {
      reject(self, std::current_exception());
    }
    self.fn_.reset();
    release(parent);
  }

  static constexpr PromiseType kType{&react, &drop_core<FinalReaction>};

  std::optional<F> fn_;
};

// Makes a reaction C to `parent`; two references, the list's and the caller's.
template <typename C, typename Arg>
C& react_to(PromiseCore& parent, Arg&& arg) {
  FrameRef frame = capture();
  C& core = make_core<C>(std::forward<Arg>(arg), 2U);
  begin(core, parent, std::move(frame));
  return core;
}

// Reports those of the first `count` rejections that nobody looked at.
void report_rejected(EventLoop& loop, ReadyQueue& rejected, std::size_t count) noexcept;

}  // namespace detail
}  // namespace weft
