#include <algorithm>
#include <new>
#include <utility>

#include <weft/ctx/detail/resource_access.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/remote_queue.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {
namespace {

constexpr std::size_t kPostsPerTurn = 64;

}  // namespace

bool RemoteQueue::post(UniqueFunction<void()> fn) {
  const Execution* const execution = thread_state.execution;
  PortableFrame frame = PortableFrame::capture(execution == nullptr ? nullptr : execution->frame);
  const std::scoped_lock lock(mutex_);
  if (loop_ == nullptr) return false;
  posted_.push_back({std::move(fn), std::move(frame), execution_async_id()});
  uv_async_send(&async_);
  return true;
}

bool RemoteQueue::add_keeper() {
  const std::scoped_lock lock(mutex_);
  if (loop_ == nullptr) return false;
  ++keepers_;
  if (loop_ == EventLoop::current_or_null()) {
    update_reference();
  } else {
    uv_async_send(&async_);
  }
  return true;
}

void RemoteQueue::remove_keeper() noexcept {
  const std::scoped_lock lock(mutex_);
  --keepers_;
  if (loop_ == nullptr) return;
  if (loop_ == EventLoop::current_or_null()) {
    update_reference();
  } else {
    uv_async_send(&async_);
  }
}

void RemoteQueue::deliver(Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  work.next_ = nullptr;
  *std::exchange(delivered_end_, &work.next_) = &work;
  uv_async_send(&async_);
}

void RemoteQueue::begin_work(Work& work) noexcept {
  uv_ref(handle());
  work.previous_on_loop_ = nullptr;
  work.next_on_loop_ = works_;
  if (works_ != nullptr) works_->previous_on_loop_ = &work;
  works_ = &work;
  loop_->begin_request();
}

void RemoteQueue::forget_work(const Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  unlink(work);
  loop_->end_request();
  update_reference();
}

void RemoteQueue::unlink(const Work& work) noexcept {
  Work* const previous = work.previous_on_loop_;
  Work* const next = work.next_on_loop_;
  (previous != nullptr ? previous->next_on_loop_ : works_) = next;
  if (next != nullptr) next->previous_on_loop_ = previous;
}

void RemoteQueue::begin_wait() noexcept {
  const std::scoped_lock lock(mutex_);
  ++waits_;
  update_reference();
}

void RemoteQueue::end_wait() noexcept {
  const std::scoped_lock lock(mutex_);
  --waits_;
  update_reference();
}

void RemoteQueue::stop_waits() noexcept {
  const std::scoped_lock lock(mutex_);
  update_reference();
}

void RemoteQueue::update_reference() noexcept {
  if (loop_ == nullptr) return;
  const bool is_waited_for = waits_ > 0 && !loop_->is_stopping();
  const bool is_needed = keepers_ > 0 || works_ != nullptr || is_waited_for;
  is_needed ? uv_ref(handle()) : uv_unref(handle());
}

int RemoteQueue::open() noexcept {
  return uv_async_init(loop_->uv(), &async_, [](uv_async_t* handle) {
    static_cast<EventLoop*>(handle->data)->remote()->run_posted();
  });
}

bool RemoteQueue::run_posted() noexcept {
  EventLoop* loop = nullptr;
  const bool had_rest = next_ < taken_.size();
  {
    const std::scoped_lock lock(mutex_);
    loop = loop_;
    if (!had_rest) {
      taken_.swap(posted_);
      ended_ = take_delivered();
    }
    update_reference();
  }
  const std::size_t end = std::min(taken_.size(), next_ + kPostsPerTurn);
  const bool has_run = next_ < end || ended_ != nullptr;
  while (next_ < end) run(std::move(taken_[next_++]), *loop);
  const bool has_rest = next_ < taken_.size();
  if (!has_rest) {
    taken_.clear();
    next_ = 0;
    end_works(std::exchange(ended_, nullptr));
  }
  // What was posted while there was a rest woke the loop for nothing.
  if (had_rest || has_rest) uv_async_send(&async_);
  return has_run;
}

void RemoteQueue::run(Posted item, EventLoop& loop) noexcept {
  AsyncResource resource("POST", {.trigger = item.poster});
  FrameRef frame;
  try {
    frame = std::move(item.frame).take();
  } catch (const std::bad_alloc&) {
    return loop.uncaught(std::current_exception());
  }
  loop.call(resource, std::move(frame), [&item] { item.fn(); });
}

// Under the mutex.
Work* RemoteQueue::take_delivered() noexcept {
  delivered_end_ = &delivered_;
  Work* const first = std::exchange(delivered_, nullptr);
  for (Work* work = first; work != nullptr; work = work->next_) unlink(*work);
  return first;
}

void RemoteQueue::end_works(Work* first) noexcept {
  while (first != nullptr) {
    Work& work = *std::exchange(first, first->next_);
    loop_->end_request();
    work.end(work.was_cancelled_);
  }
}

bool RemoteQueue::try_end() noexcept {
  const std::scoped_lock lock(mutex_);
  if (!posted_.empty() || !taken_.empty()) return false;
  loop_ = nullptr;
  return true;
}

}  // namespace weft::detail
