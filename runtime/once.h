// Once: does something the first time, while later callers wait for its end.
//
//   Once connected("connected");
//   connected.call([&] { connection = connect(); });  // may wait
//
// Whoever calls first runs the function; those who come meanwhile wait until it has
// returned. If it throws, by an error or because its fiber was cancelled, its caller
// gets that and the first who waits runs a function of its own.
//
// It belongs to the fibers and callbacks of one loop: no atomics; for threads there
// is std::call_once. It must outlive those who call it (see ParkingLot).
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/holder.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

class Once {
 public:
  struct Statistics {
    bool is_done;
    AsyncId runner;  // the fiber that runs its function; 0: none
    std::size_t tasks_waiting;
  };

  // `name` says in errors and reports which one it is (Shape: a literal, or lives as long).
  explicit constexpr Once(const char* name = nullptr) noexcept : holder_{name} {}
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once() = default;

  // Returns when a call's function has returned: this one's, unless another's has.
  //
  // Context:  fiber
  // Suspends: while another call's function runs.
  // Errors:   what `fn` throws; UsageError from inside `fn`, or outside of a fiber.
  // Cancel:   Cancelled, also when nothing would wait; it may not be done.
  template <std::invocable F>
  void call(F&& fn) {
    detail::Fiber& self = detail::fiber_that_may_wait("Once::call");
    lot_.check_loop("Once::call");
    if (state_ == State::kDone || !begin(self)) return;
    run(std::forward<F>(fn));
  }

  // As call(), but does not wait for another's function; returns whether it is done.
  // `fn` itself may wait if the caller may.
  //
  // Context: fiber, loop thread
  template <std::invocable F>
  [[nodiscard]] bool try_call(F&& fn) {
    lot_.check_loop("Once::try_call");
    if (state_ == State::kNew && try_begin()) run(std::forward<F>(fn));
    return state_ == State::kDone;
  }

  bool is_done() const noexcept { return state_ == State::kDone; }
  Statistics statistics() const noexcept { return {is_done(), holder_.fiber, lot_.size()}; }

 private:
  enum class State : unsigned char {
    kNew,      // nobody waits
    kRunning,  // a function runs, or the fiber whose turn it is has been woken
    kDone,     // nobody waits
  };

  // Whether the caller is to run its function; false: another's has returned.
  bool begin(detail::Fiber& self);
  bool try_begin() noexcept;
  void end() noexcept;
  void pass_on() noexcept;

  template <typename F>
  void run(F&& fn) {
    struct PassOn {
      Once* once;
      ~PassOn() {
        if (once != nullptr) once->pass_on();
      }
    } unless_it_returns{this};
    std::invoke(std::forward<F>(fn));
    unless_it_returns.once = nullptr;
    end();
  }

  detail::Holder holder_;  // the runner
  State state_ = State::kNew;
  ParkingLot lot_;
};

}  // namespace weft
