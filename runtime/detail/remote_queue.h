// RemoteQueue: what other threads hand to a loop. It outlives the loop, in the
// hands of those who might still post.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <uv.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/unique_function.h>

namespace weft::detail {

class EventLoop;
class Work;

class RemoteQueue {
 public:
  explicit RemoteQueue(EventLoop& loop) noexcept : loop_(&loop) {}
  RemoteQueue(const RemoteQueue&) = delete;
  RemoteQueue& operator=(const RemoteQueue&) = delete;

  // Context: any thread. False, and `fn` is dropped, when the loop has ended.
  [[nodiscard]] bool post(UniqueFunction<void()> fn);

  // The loop stays alive until as many remove_keeper() calls came, from any thread.
  // False when the loop has ended.
  [[nodiscard]] bool add_keeper();
  void remove_keeper() noexcept;

  // A work of the loop's has ended, or was taken back. Context: any thread.
  void deliver(Work& work) noexcept;

  // The loop's side.
  // Returns libuv's code: it may have no descriptor for it.
  int open() noexcept;
  // A work is on its way: the loop stays alive, and does not end, until it is delivered.
  void begin_work(Work& work) noexcept;
  // It was abandoned: the loop does not hear of its end.
  void forget_work(const Work& work) noexcept;
  const Work* works() const noexcept { return works_; }
  // The loop also stays alive while a fiber of its own waits for posts, until it is stopped.
  void begin_wait() noexcept;
  void end_wait() noexcept;
  void stop_waits() noexcept;
  uv_handle_t* handle() noexcept { return reinterpret_cast<uv_handle_t*>(&async_); }
  // Runs some of what was posted, in order, and leaves the rest to the next turn: threads
  // that post faster than it runs must not starve I/O. Whether there was any.
  bool run_posted() noexcept;
  // Refuses posts from here on; false, and stays open, when something was posted.
  bool try_end() noexcept;

 private:
  // With mutex_ held, on the loop's thread.
  void update_reference() noexcept;
  void unlink(const Work& work) noexcept;
  Work* take_delivered() noexcept;
  void end_works(Work* first) noexcept;

  struct Posted {
    UniqueFunction<void()> fn;
    PortableFrame frame;
    AsyncId poster;  // 0: outside of every resource
  };
  static void run(Posted item, EventLoop& loop) noexcept;

  std::mutex mutex_;
  EventLoop* loop_;  // null: ended. Guarded by mutex_, as the three below
  std::vector<Posted> posted_;
  std::size_t keepers_ = 0;
  std::size_t waits_ = 0;
  Work* delivered_ = nullptr;  // the first of a list
  Work** delivered_end_ = &delivered_;
  Work* works_ = nullptr;      // on their way; the loop's thread's
  std::vector<Posted> taken_;  // to be run; the loop's thread's, as next_
  std::size_t next_ = 0;       // of taken_
  Work* ended_ = nullptr;      // delivered behind taken_: an end overtakes no post
  uv_async_t async_;
};

}  // namespace weft::detail
