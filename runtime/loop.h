// Loop: a handle on a running loop, for other threads and for stopping it.
//
//   std::thread([loop = Loop::current(), keep = Loop::current().keep_alive()] {
//     loop.post([] { log("on the loop's thread, in the poster's context"); });
//   }).detach();
//
// Handles may be copied to and used on any thread, and may outlive the loop.
#pragma once

#include <memory>

#include <weft/ctx/unique_function.h>

namespace weft {

namespace detail {
class RemoteQueue;
}

class Loop {
 public:
  // Keeps the loop alive while it is held; may be dropped on any thread.
  class KeepAlive {
   public:
    KeepAlive(KeepAlive&&) noexcept = default;
    KeepAlive& operator=(KeepAlive&& other) noexcept;
    ~KeepAlive();

   private:
    friend class Loop;
    explicit KeepAlive(std::shared_ptr<detail::RemoteQueue> queue) noexcept;

    std::shared_ptr<detail::RemoteQueue> queue_;  // with the loop and its handles
  };

  // The loop of this thread.
  // Errors: UsageError when none runs.
  static Loop current();

  // Runs `fn` on the loop's thread, in a copy of the caller's context whose values
  // are shared between the threads. What the caller ran as is the trigger of `fn`.
  //
  // Context: any thread
  // Order:   functions posted by one thread run in the order posted.
  // Errors:  std::errc::operation_canceled when the loop has ended; what was posted
  //          before that runs. An exception of `fn` goes to the uncaught handler.
  void post(UniqueFunction<void()> fn) const;

  // Waiting for other threads' posts does not keep a loop alive; this does.
  //
  // Context: the loop's thread, or any thread while another KeepAlive is held
  // Errors:  std::errc::operation_canceled when the loop has ended.
  [[nodiscard]] KeepAlive keep_alive() const;

  // Ends the run in order: cancels every fiber, closes every handle, drops every
  // timer; run() then returns. Does nothing when the loop has ended.
  //
  // Context: any thread
  void stop() const;

 private:
  explicit Loop(std::shared_ptr<detail::RemoteQueue> queue) noexcept;

  std::shared_ptr<detail::RemoteQueue> queue_;  // with the loop and other handles
};

}  // namespace weft
