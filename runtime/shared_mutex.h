// SharedMutex: many readers or one writer, in the order they come.
//
//   SharedMutex routes("routes");
//   { const std::shared_lock lock(routes); answer(look_up(path)); }
//   { const std::unique_lock lock(routes); reload(); }
//
// First come, first served: a reader that comes after a waiting writer waits behind
// it, so readers cannot starve writers; readers that stand together get in together.
// A fiber that holds it shared must therefore not lock it again, shared or not: the
// writer between the two would wait for the first, the second for the writer.
//
// A writer owns it, as a Mutex is owned (see mutex.h); who reads is only counted. It
// belongs to the fibers of one loop: no atomics. It must outlive those who wait for it
// (see ParkingLot). Source: std::shared_mutex, with trio's order.
#pragma once

#include <cstddef>

#include <weft/ctx/async_id.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/holder.h>
#include <weft/runtime/parking_lot.h>

namespace weft {

namespace detail {
struct Parked;
}

class SharedMutex {
 public:
  struct Statistics {
    bool locked;          // by a writer or readers
    AsyncId owner;        // the writer; 0: none
    std::size_t readers;  // that have locked it
    std::size_t tasks_waiting;
  };

  // `name` says in errors and reports which one it is (Shape: a literal, or lives as long).
  explicit constexpr SharedMutex(const char* name = nullptr) noexcept : holder_{name} {}
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;
  ~SharedMutex() = default;

  // Waits until it is the running fiber's alone.
  //
  // Context:  fiber
  // Suspends: when it is locked.
  // Errors:   UsageError when this fiber is the writer already, outside of a fiber, or
  //           when the writer is another loop's.
  // Cancel:   Cancelled, also when nothing would wait; readers behind it get in.
  void lock() {
    detail::Fiber& self = detail::fiber_that_may_wait("SharedMutex::lock");
    lot_.check_loop("SharedMutex::lock");
    if (is_locked()) return lock_slowly(self);
    holder_.fiber = self.resource.async_id();
  }

  // Locks it if that needs no waiting; returns whether it did.
  //
  // Context: fiber
  // Errors:  UsageError when this fiber is the writer already.
  [[nodiscard]] bool try_lock() {
    const detail::Fiber* const self = detail::runtime_thread.fiber;
    lot_.check_loop("SharedMutex::try_lock");
    if (self == nullptr || is_locked()) return refuse(self, "SharedMutex::try_lock");
    holder_.fiber = self->resource.async_id();
    return true;
  }

  // Lets those in who have waited longest: a writer, or all readers up to the next one.
  //
  // Context: the fiber that locked it, or a callback
  // Errors:  UsageError as from Mutex::unlock().
  void unlock();

  // Waits until no writer has it.
  //
  // Context, Suspends, Errors, Cancel: as lock(). Also waits behind those who wait.
  void lock_shared() {
    detail::Fiber& self = detail::fiber_that_may_wait("SharedMutex::lock_shared");
    lot_.check_loop("SharedMutex::lock_shared");
    if (!admits_reader()) return lock_shared_slowly(self);
    ++holder_.readers;
  }

  // Locks it shared if that needs no waiting; returns whether it did.
  //
  // Context: fiber, loop thread
  // Errors:  UsageError when this fiber is the writer.
  [[nodiscard]] bool try_lock_shared() {
    lot_.check_loop("SharedMutex::try_lock_shared");
    if (!admits_reader()) return refuse_shared();
    ++holder_.readers;
    return true;
  }

  // Context: fiber, loop thread
  // Errors:  UsageError when no reader has it; ignored while a run is being stopped.
  void unlock_shared() {
    lot_.check_loop("SharedMutex::unlock_shared");
    if (holder_.readers == 0) [[unlikely]]
      return check_stopping();
    if (--holder_.readers == 0 && !lot_.is_empty()) admit();
  }

  Statistics statistics() const noexcept {
    return {is_locked(), holder_.fiber, holder_.readers, lot_.size()};
  }

 private:
  bool is_locked() const noexcept { return holder_.fiber != 0 || holder_.readers != 0; }
  bool admits_reader() const noexcept { return holder_.fiber == 0 && lot_.is_empty(); }
  void lock_slowly(detail::Fiber& self);
  void lock_shared_slowly(detail::Fiber& self);
  bool refuse(const detail::Fiber* self, const char* what) const;
  bool refuse_shared() const;
  void admit();
  void wait(detail::Parked& place);
  static void check_stopping();

  detail::Holder holder_;
  ParkingLot lot_;  // the first cannot get in; empty while it is unlocked
};

}  // namespace weft
