// Pool: named threads for what blocks.
//
//   Pool images({.name = "images", .threads_max = 2, .queue_max = 100});
//   Picture small = offload(images, [&] { return shrink(picture); });
//
// weft has three: files use fs(), name lookups dns(), offload(fn) cpu(). Each has
// threads and a queue of its own, so that what is slow in one does not hold up the
// others (libuv has one pool for all of it). Threads start when they are needed and
// stay. They bear the pool's name, and signals are blocked there: those are the loop's. A
// child that a function starts by itself, as std::system does, inherits that; let
// io::Process start it.
//
// Pools belong to the process: any number of loops may use one, from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include <weft/runtime/detail/work.h>

namespace weft {

struct PoolOptions {
  std::string name = {};
  std::size_t threads_max = 4;
  // How many functions may wait for a thread; one more is refused.
  std::size_t queue_max = std::numeric_limits<std::size_t>::max();
  // What was abandoned (a lookup, an open, an offload with abandon_on_cancel) may hold its
  // thread for ever, as a dead file system does. So many of these threads do not count
  // among threads_max: others start in their place. Beyond it each holds a place.
  std::size_t abandoned_max = 64;
};

class Pool {
 public:
  using Options = PoolOptions;

  struct Statistics {
    std::size_t threads = 0;  // started, but for those that others replace
    std::size_t running = 0;
    std::size_t abandoned = 0;  // still run, and nobody waits for them
    std::size_t queued = 0;
    std::size_t queued_peak = 0;
    std::uint64_t finished = 0;
    std::uint64_t cancelled = 0;         // before they began
    std::uint64_t refused = 0;           // by a full queue, or for want of a thread
    std::chrono::nanoseconds waited{0};  // in the queue, by all that began
    std::chrono::nanoseconds worked{0};  // by all that finished
  };

  // Files. 4 threads, or as many as UV_THREADPOOL_SIZE says.
  static Pool& fs();
  // Name lookups. 4 threads.
  static Pool& dns();
  // What offload() gets without a pool. As many threads as the machine has processors,
  // at least 4.
  static Pool& cpu();

  // Errors: UsageError for no threads.
  explicit Pool(Options options);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  // What waits for a thread is cancelled; blocks until what runs has ended, but for what
  // was abandoned, and for a function of the pool's own that destroys it. The three above
  // live until the process ends.
  ~Pool();

  const std::string& name() const noexcept;
  // May change at any time. Threads that are there already stay.
  // Errors: UsageError for 0.
  // Context: any thread
  void set_threads_max(std::size_t threads_max);
  void set_queue_max(std::size_t queue_max);
  Statistics statistics() const;

 private:
  friend std::optional<Error> detail::start_work(detail::EventLoop& loop, Pool& pool,
                                                 detail::Work& work);
  friend struct PoolsAtFork;

  std::shared_ptr<detail::PoolCore> core_;  // with its threads and works
};

}  // namespace weft
