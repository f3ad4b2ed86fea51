#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/loop.h>

namespace weft {
namespace {

[[noreturn]] void raise_ended(const char* what) {
  detail::uv_error(UV_ECANCELED, std::string(what) +
                                     ": the loop has ended; hold a Loop::KeepAlive while other "
                                     "threads use it")
      .raise();
}

}  // namespace

Loop::KeepAlive::KeepAlive(std::shared_ptr<detail::RemoteQueue> queue) noexcept
    : queue_(std::move(queue)) {}

Loop::KeepAlive& Loop::KeepAlive::operator=(KeepAlive&& other) noexcept {
  if (this != &other) {
    if (queue_ != nullptr) queue_->remove_keeper();
    queue_ = std::move(other.queue_);
  }
  return *this;
}

Loop::KeepAlive::~KeepAlive() {
  if (queue_ != nullptr) queue_->remove_keeper();
}

Loop::Loop(std::shared_ptr<detail::RemoteQueue> queue) noexcept : queue_(std::move(queue)) {}

Loop Loop::current() {
  return Loop(detail::EventLoop::current("Loop::current").remote());
}

void Loop::post(UniqueFunction<void()> fn) const {
  detail::require_callback(fn, "post");
  if (!queue_->post(std::move(fn))) raise_ended("post");
}

Loop::KeepAlive Loop::keep_alive() const {
  if (!queue_->add_keeper()) raise_ended("keep_alive");
  return KeepAlive(queue_);
}

void Loop::stop() const {
  // Nobody is left to stop when the loop has ended.
  static_cast<void>(queue_->post([] { detail::EventLoop::current("stop").stop(nullptr); }));
}

}  // namespace weft
