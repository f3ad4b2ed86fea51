#include <new>

#include <weft/ctx/detail/resource_access.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/remote_queue.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {

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
  std::vector<Posted> posted;
  EventLoop* loop = nullptr;
  Work* works = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    loop = loop_;
    posted.swap(posted_);
    works = take_delivered();
    update_reference();
  }
  for (Posted& item : posted) {
    AsyncResource resource("POST", {.trigger = item.poster});
    FrameRef frame;
    try {
      frame = std::move(item.frame).take();
    } catch (const std::bad_alloc&) {
      loop->uncaught(std::current_exception());
      continue;
    }
    loop->call(resource, std::move(frame), [&item] { item.fn(); });
  }
  const bool has_run = !posted.empty() || works != nullptr;
  end_works(works);
  return has_run;
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
  if (!posted_.empty()) return false;
  loop_ = nullptr;
  return true;
}

}  // namespace weft::detail
