// Work: what blocks, on a thread of a pool, and its end on the loop's thread.
//
// Files, name lookups and offload() are works: one mechanism beside libuv's own pool,
// which has one queue for everything, so that a slow name server stalls every file.
// Invariants:
//
// 1. run() is called at most once, on a pool's thread; end() exactly once, on the
//    loop's thread, never from inside start_work() or cancel_work().
// 2. While a work is on its way its loop is alive and does not end. Who waits for one
//    waits for its end: nobody returns to a stack that a pool's thread may write to.
// 3. Cancelling takes a work out of the pool's queue. One that runs is waited for, unless
//    it is abandoned: one that owns all it touches ends unheard, and neither its loop,
//    nor its pool, nor the process waits for it. end() never comes then; whoever is last
//    to need the work, its thread or abandon_work(), frees it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include <weft/runtime/result.h>

namespace weft {

class AsyncResource;
class Pool;

namespace detail {

class EventLoop;
class PoolCore;
class RemoteQueue;

class Work {
 public:
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  // What hooks and reports know it as; null: nothing of the user's.
  virtual const AsyncResource* resource() const noexcept = 0;
  std::chrono::steady_clock::time_point started_at() const noexcept { return started_at_; }
  const Work* next_on_loop() const noexcept { return next_on_loop_; }

 protected:
  virtual ~Work() = default;
  // What blocks. It must not touch the loop or what belongs to it.
  virtual void run() noexcept = 0;
  // May free the work. With `was_cancelled`, run() was never called.
  virtual void end(bool was_cancelled) noexcept = 0;
  // It was abandoned and still runs: tells who waits, and lets go of what is the loop's.
  // On the loop's thread; the destructor may run on the pool's.
  virtual void let_go() noexcept {}

  // From run(), around what belongs to who waits: meanwhile nobody abandons the work.
  // False: it was abandoned before, and what it would touch may be gone.
  bool pin() noexcept;
  void unpin() noexcept;

 private:
  friend class PoolCore;
  friend class RemoteQueue;
  friend std::optional<Error> start_work(EventLoop& loop, Pool& pool, Work& work);
  friend bool cancel_work(Work& work) noexcept;
  friend bool abandon_work(Work& work) noexcept;

  std::shared_ptr<PoolCore> pool_;  // with the pool and its threads, which may outlive it
  RemoteQueue* loop_ = nullptr;     // null: not on its way
  std::chrono::steady_clock::time_point started_at_;
  Work* previous_on_loop_ = nullptr;  // among those of the loop that are on their way
  Work* next_on_loop_ = nullptr;
  Work* previous_ = nullptr;  // in the pool's queue
  Work* next_ = nullptr;      // there, or among those that have ended
  // Guarded by the pool's mutex.
  bool is_queued_ = false;
  bool has_run_ = false;
  bool is_pinned_ = false;
  bool is_abandoned_ = false;
  bool is_replaced_ = false;  // abandoned, and its thread does not count as one of the pool's
  bool was_let_go_ = false;   // abandoned, and nobody's but its thread's
  bool was_cancelled_ = false;
};

// Hands the work to the pool. An error: it was refused, and nothing has happened.
std::optional<Error> start_work(EventLoop& loop, Pool& pool, Work& work);
// Whether the work had not begun: end(true) follows, from the loop.
bool cancel_work(Work& work) noexcept;
// For a work that owns itself and all it touches. Whether it ran and was not pinned: it
// has let go and may be freed. Otherwise its end is on the way.
bool abandon_work(Work& work) noexcept;

}  // namespace detail
}  // namespace weft
