// Promise and Future: a result that comes later, for callbacks and for fibers.
//
// A Promise is the end that settles, once; its Futures are the end that reacts,
// any number of times: with callbacks, or from a fiber that waits.
//
//   Promise<Rows> promise;
//   Future<Rows> future = promise.future();
//   driver.on_result([p = std::move(promise)](Rows rows) mutable { p.resolve(std::move(rows)); });
//   future.then([](const Rows& rows) { return rows.size(); }).then(print);  // with callbacks
//   show(future.await());                                                   // in a fiber
//
// Reactions run as microtasks, in FIFO order with those of queue_microtask and with
// ready fibers, never inside the call that settles. Each runs in the context of the
// then() that took it, wherever the promise was made or settled.
//
// A rejection that nobody reacts to or waits for by the time ticks, microtasks and
// ready fibers have run dry goes to RunOptions::on_uncaught, as the promise and in the
// context of the rejection (Node's --unhandled-rejections=throw).
//
// Both belong to the thread of the loop they were made on; after the loop's end they
// may only be dropped.
// Source: Node `Promise`, and its events: PROMISE is initiated by Promise(), then(),
// catch_error() and finally(), and by the promises in between that Node shows for
// finally() and for resolving with a future. await() makes none: a fiber is its own
// resource. destroy comes when the last handle and reaction are gone.
#pragma once

#include <concepts>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/promise.h>

namespace weft {

// What a future is rejected with when its Promise is dropped unsettled: nobody is left
// who could settle it, and who waits would wait for ever. Node's promise stays pending,
// because a collector cannot tell.
class BrokenPromise : public std::logic_error {
 public:
  BrokenPromise();
};

// A handle of the consuming end, copied freely. What it hands out is read by all: a
// reaction gets `const T&`, await() returns a copy. A T that can only be moved goes to
// the first that takes it, with a reaction whose parameter is a T or with
// std::move(future).await(); who asks later gets a UsageError.
template <typename T>
class Future {
  static_assert(std::is_void_v<T> || std::is_same_v<T, std::decay_t<T>>,
                "a future's type is void or a plain object type");
  static_assert(!detail::Unwrapped<T>::kIsFuture,
                "a future of a future is that future: use Future<T>");

 public:
  // A future that is settled already.
  // Source: Node `Promise.resolve`, `Promise.reject`.
  template <detail::ValueFor<T> V = T>
  static Future resolved(V&& value) {
    Future future(detail::make_root<T>(1));
    future.core_->fulfil_with(std::forward<V>(value));
    return future;
  }
  template <std::same_as<void> V = T>
  static Future resolved() {
    Future future(detail::make_root<T>(1));
    future.core_->fulfil_with();
    return future;
  }
  static Future rejected(const std::exception_ptr& error);
  template <detail::Exception E>
  static Future rejected(E exception) {
    return rejected(std::make_exception_ptr(std::move(exception)));
  }

  Future(const Future& other) : core_(&detail::retain(other.core("Future"))) {}
  Future(Future&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Future& operator=(Future other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Future() {
    if (core_ != nullptr) detail::release(*core_);
  }

  // Calls `on_value` with the value once there is one; a rejection passes by. The
  // future it returns settles as `on_value` does: with what it returns, with what
  // it throws, or, if that is a Future, as that one will.
  //
  // Context: loop thread
  // Errors:  UsageError on another loop.
  // Source:  Node `promise.then(onFulfilled)`.
  template <detail::ValueReaction<T> F>
  auto then(F on_value) const {
    using U = typename detail::Unwrapped<detail::ReactionResult<T, F>>::Type;
    return react<U>(std::move(on_value), detail::PassOn{});
  }
  // Calls one of both. `on_error` gets the std::exception_ptr of the rejection, and
  // returns what `on_value` does.
  template <detail::ValueReaction<T> F, detail::ErrorReaction G>
  auto then(F on_value, G on_error) const {
    using U = typename detail::Unwrapped<detail::ReactionResult<T, F>>::Type;
    return react<U>(std::move(on_value), std::move(on_error));
  }

  // Calls `on_error` with the std::exception_ptr of a rejection, and returns a future
  // of what that returns in place of the value; a value passes by.
  // Source: Node `promise.catch`, which C++ has another use for.
  template <detail::ErrorReaction G>
  Future catch_error(G on_error) const {
    return react<T>(detail::PassOn{}, std::move(on_error));
  }

  // Calls `fn` when it is settled either way, and waits for the Future that it may
  // return. The value or the error goes on, unless `fn` or its future fails.
  // Source: Node `promise.finally`.
  template <std::invocable F>
  Future finally(F fn) const {
    return attach<detail::FinalReaction<T, F>, T>(std::move(fn), "finally");
  }

  // Waits until it is settled; returns the value, or throws what it was rejected with.
  // The form for an rvalue moves the value out where this is the last handle, or where
  // there is no copying it.
  //
  // Context:  fiber
  // Suspends: unless it is settled.
  // Errors:   the rejection (a Cancelled in there arrives as
  //           std::errc::operation_canceled); UsageError outside of a fiber, on another
  //           loop, or when the value was taken.
  // Cancel:   Cancelled; the future is as before, and a later rejection is again
  //           nobody's if nobody else waits.
  T await() const& {
    static_assert(std::is_void_v<T> || std::is_copy_constructible_v<detail::StoredResult<T>>,
                  "this value cannot be copied: take it with std::move(future).await()");
    const Future held(*this);
    held.wait();
    if constexpr (!std::is_void_v<T>) return held.core_->read("await");
  }
  T await() && {
    const Future held(std::move(*this));
    held.wait();
    if constexpr (!std::is_void_v<T>) {
      if (held.core_->is_sole()) return std::move(*held.core_->source().value);
      return held.core_->take("await");
    }
  }

  bool is_settled() const { return !core("is_settled").is_pending(); }
  AsyncId async_id() const { return core("async_id").resource.async_id(); }

 private:
  friend struct detail::FutureAccess;

  explicit Future(detail::ValueCore<T>& core) noexcept : core_(&core) {}

  detail::ValueCore<T>& core(const char* what) const {
    if (core_ == nullptr) [[unlikely]]
      detail::raise_no_promise(what);
    return *core_;
  }
  detail::ValueCore<T>& own(const char* what) const {
    detail::ValueCore<T>& mine = core(what);
    if (!detail::is_of_this_loop(mine)) [[unlikely]]
      detail::raise_other_loop(what);
    return mine;
  }

  template <typename U, typename F, typename G>
  Future<U> react(F on_value, G on_error) const {
    return attach<detail::Reaction<T, U, F, G>, U>(
        detail::Handlers<F, G>{std::move(on_value), std::move(on_error)}, "then");
  }
  template <typename Core, typename U, typename Arg>
  Future<U> attach(Arg&& arg, const char* what) const {
    return detail::FutureAccess::make<U>(detail::react_to<Core>(own(what), std::forward<Arg>(arg)));
  }
  void wait() const {
    detail::ValueCore<T>& mine = own("await");
    detail::wait_settled(mine);
    if (mine.state == detail::PromiseCore::State::kRejected) [[unlikely]]
      detail::raise_rejection(mine);
  }

  detail::ValueCore<T>* core_;  // a reference; null: moved from
};

// An owner of the producing end. Its first resolve() or reject() counts; those that
// come later are ignored, as in Node: several may race to answer. Dropping it unsettled
// rejects its futures, if there are any, with BrokenPromise, which is reported only by
// those who react or wait.
template <typename T>
class Promise {
 public:
  // Context: loop thread
  // Errors:  UsageError outside of a loop.
  Promise() : core_(&detail::make_root<T>(1)) {}
  Promise(Promise&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Promise& operator=(Promise&& other) noexcept {
    if (this != &other) {
      const Promise replaced(std::move(*this));
      core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
  }
  ~Promise() {
    if (core_ != nullptr) detail::abandon(*core_);
  }

  // Any number of handles to the other end.
  Future<T> future() const { return detail::FutureAccess::make<T>(detail::retain(core("future"))); }

  // Fulfils it with `value`, of which there is none for a Promise<void>.
  //
  // Context: loop thread
  // Errors:  UsageError on another loop.
  // Order:   reactions and fibers that wait become ready in the order they came.
  // Source:  Node `resolve(value)`; a later call is ignored.
  template <detail::ValueFor<T> V = T>
  void resolve(V&& value) {
    own("resolve").fulfil_with(std::forward<V>(value));
  }
  template <std::same_as<void> V = T>
  void resolve() {
    own("resolve").fulfil_with();
  }
  // Settles it as `other` is or will be, two microtasks later. It counts as resolved
  // from here on.
  // Errors: UsageError also for its own future, which Node rejects with a TypeError, and for
  //         one that waits for this promise. A circle of more than 64 is not seen: its
  //         promises never settle, nor go.
  // Source: Node `resolve(thenable)`.
  void resolve(const Future<T>& other) {
    detail::follow(own("resolve"), detail::retain(detail::FutureAccess::core(other, "resolve")));
  }

  // Rejects it. Source: Node `reject(reason)`; a later call is ignored.
  // Errors: UsageError on another loop, or for a null pointer.
  void reject(const std::exception_ptr& error) {
    if (error == nullptr) [[unlikely]]
      detail::raise_no_error();
    detail::reject(own("reject"), error);
  }
  template <detail::Exception E>
  void reject(E exception) {
    reject(std::make_exception_ptr(std::move(exception)));
  }

  AsyncId async_id() const { return core("async_id").resource.async_id(); }

 private:
  detail::RootCore<T>& core(const char* what) const {
    if (core_ == nullptr) [[unlikely]]
      detail::raise_no_promise(what);
    return *core_;
  }
  detail::RootCore<T>& own(const char* what) const {
    detail::RootCore<T>& mine = core(what);
    if (!detail::is_of_this_loop(mine)) [[unlikely]]
      detail::raise_other_loop(what);
    return mine;
  }

  detail::RootCore<T>* core_;  // a reference; null: moved from
};

template <typename T>
Future<T> Future<T>::rejected(const std::exception_ptr& error) {
  if (error == nullptr) [[unlikely]]
    detail::raise_no_error();
  Future future(detail::make_root<T>(1));
  detail::reject(*future.core_, error);
  return future;
}

}  // namespace weft
