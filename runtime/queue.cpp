#include <system_error>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/queue_state.h>

namespace weft::detail {

void post_if_alive(const Loop& loop, UniqueFunction<void()> fn) {
  try {
    loop.post(std::move(fn));
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::operation_canceled) throw;
  }
}

RemoteWait::RemoteWait() noexcept {
  runtime_thread.loop->remote()->begin_wait();
}

RemoteWait::~RemoteWait() {
  runtime_thread.loop->remote()->end_wait();
}

void check_may_block(const char* what) {
  if (EventLoop::current_or_null() == nullptr) return;
  throw UsageError(std::string(what) +
                   ": a thread that runs a loop cannot block; use try_push, or a Channel between "
                   "fibers of one loop");
}

void check_queue_capacity(std::size_t capacity) {
  if (capacity == 0) throw UsageError("Queue: a queue needs room for one value at least");
}

void raise_not_queues_loop(const char* what) {
  EventLoop::current(what);
  throw UsageError(std::string(what) +
                   ": this queue belongs to another loop; use Loop::post to get there");
}

void raise_no_producer(const char* what) {
  throw UsageError(std::string(what) +
                   ": this producer was moved from; use the one it was moved to");
}

}  // namespace weft::detail
