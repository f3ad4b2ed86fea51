// PoolCore: the queue and the threads of a Pool.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include <weft/runtime/detail/work.h>
#include <weft/runtime/pool.h>

namespace weft::detail {

class PoolCore : public std::enable_shared_from_this<PoolCore> {
 public:
  explicit PoolCore(PoolOptions options) : options_(std::move(options)) {}
  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;
  ~PoolCore() = default;

  // Context: any thread, all of these.
  std::optional<Error> push(Work& work);
  // Whether `work` was still in the queue, from which it is taken.
  bool take_back(Work& work) noexcept;
  // Whether `work` runs and is nobody's from here on: another thread takes the place of
  // its own. Once that is told, whoever is last frees the work.
  bool begin_abandon(Work& work) noexcept;
  void end_abandon(Work& work) noexcept;
  bool pin(Work& work) noexcept;
  void unpin(Work& work) noexcept;
  // Cancels what is queued, and returns when no thread is left but those whose work was
  // abandoned, and the caller's own.
  void shut_down() noexcept;

  // While a thread of the process forks.
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }
  // In the child, between the two.
  void forget_threads() noexcept;

  const PoolOptions& options() const noexcept { return options_; }
  void set_threads_max(std::size_t threads_max);
  void set_queue_max(std::size_t queue_max);
  Pool::Statistics statistics() const;

 private:
  using Time = std::chrono::steady_clock::time_point;

  bool start_thread();
  void serve() noexcept;
  Work* take() noexcept;
  void count(const Work& work, std::chrono::nanoseconds waited,
             std::chrono::nanoseconds worked) noexcept;
  bool take_place(Work& work) noexcept;
  bool is_counted_here() const noexcept;
  Error refuse(const char* why);
  void link(Work& work) noexcept;
  void unlink(Work& work) noexcept;

  mutable std::mutex mutex_;
  std::condition_variable work_came_;
  std::condition_variable thread_ended_;
  // All below are guarded by the mutex.
  PoolOptions options_;  // but for the name, which stays
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  std::size_t idle_ = 0;      // threads in work_came_, also those notified that have not woken
  std::size_t replaced_ = 0;  // threads whose work was abandoned, which no longer count
  bool is_ending_ = false;
  Pool::Statistics counts_;
};

}  // namespace weft::detail
