#include <weft/ctx/detail/resource_access.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/remote_queue.h>
#include <weft/runtime/detail/uv_error.h>

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
    uv_ref(handle());
  } else {
    uv_async_send(&async_);
  }
  return true;
}

void RemoteQueue::remove_keeper() noexcept {
  const std::scoped_lock lock(mutex_);
  --keepers_;
  if (loop_ == nullptr) return;
  if (loop_ != EventLoop::current_or_null()) {
    uv_async_send(&async_);
  } else if (keepers_ == 0) {
    uv_unref(handle());
  }
}

void RemoteQueue::open() {
  uv_must(uv_async_init(loop_->uv(), &async_, [](uv_async_t* handle) {
    static_cast<EventLoop*>(handle->data)->remote()->run_posted();
  }));
}

bool RemoteQueue::run_posted() noexcept {
  std::vector<Posted> posted;
  EventLoop* loop = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    loop = loop_;
    posted.swap(posted_);
    keepers_ > 0 ? uv_ref(handle()) : uv_unref(handle());
  }
  for (Posted& item : posted) {
    AsyncResource resource("POST", {.trigger = item.poster});
    loop->call(resource, std::move(item.frame).take(), [&item] { item.fn(); });
  }
  return !posted.empty();
}

bool RemoteQueue::try_end() noexcept {
  const std::scoped_lock lock(mutex_);
  if (!posted_.empty()) return false;
  loop_ = nullptr;
  return true;
}

}  // namespace weft::detail
