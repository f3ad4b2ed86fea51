#include <new>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>

namespace weft::detail {

Handle::Handle(EventLoop& loop, ResourceType type, const AsyncResourceOptions& options)
    : loop_(&loop), resource_(type, options), created_ms_(loop.now_ms()) {
  loop.add(*this);
}

Handle::~Handle() {
  if (state_ == State::kOpen) loop_->remove(*this);
}

void Handle::close() noexcept {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  uv_close(raw(), [](uv_handle_t* closed) { from(closed->data).first_closed(); });
  begin_close();
}

// What is closed in a close callback ends in the next turn.
void Handle::first_closed() noexcept {
  uv_handle_t* const second = close_second();
  if (second == nullptr) return end_close();
  second->data = this;
  uv_close(second, [](uv_handle_t* closed) { from(closed->data).end_close(); });
}

void Handle::end_close() noexcept {
  loop_->drain();  // a tick may still refer to this block
  end_pending();
  tell_closed(close_handler_);
  drop_handlers();
  close_handler_.clear();
  state_ = State::kEnded;
  closed_.complete(*loop_, resource_, Result<void>());
  loop_->remove(*this);
  state_ = State::kClosed;
  const FrameRef context = ResourceAccess::end_but_frame(resource_);  // may own the block's owner
  if (!is_owned_) delete this;
}

void Handle::tell_closed(PersistentHandler<>& handler) {
  if (handler) return handler.call(*loop_, resource_);
  if (!closed_) loop_->call(resource_, [] {});  // else the fiber that waits is resumed in it
}

void Handle::tell_closed_on_tick(PersistentHandler<>& handler) {
  if (!handler) return;
  try {
    handler.call_on_tick(*loop_, resource_.async_id(), [] { return false; });
  } catch (const std::bad_alloc&) {
    return handler.call(*loop_, resource_);
  }
  loop_->drain();
}

std::optional<Result<void>> Handle::closed(Done<void> done) {
  if (state_ >= State::kEnded) return Result<void>();
  if (closed_) throw UsageError("wait_closed: somebody waits for the close already");
  closed_.take(done);
  return std::nullopt;
}

void DropHandle::operator()(Handle* handle) const noexcept {
  handle->drop();
}

void Handle::drop() noexcept {
  // On another thread there is nobody to tell: a destructor cannot throw.
  WEFT_CHECK(state_ == State::kClosed || loop_ == EventLoop::current_or_null());
  is_owned_ = false;
  if (state_ == State::kClosed) {
    delete this;
  } else {
    close();
  }
}

void Handle::set_referenced(bool referenced) noexcept {
  if (is_closing()) return;
  referenced ? uv_ref(raw()) : uv_unref(raw());
}

}  // namespace weft::detail
