#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>

namespace weft::detail {

Handle::Handle(EventLoop& loop, ResourceType type, const AsyncResourceOptions& options)
    : loop_(&loop), resource_(type, options) {
  loop.add(*this);
}

void Handle::close() noexcept {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  uv_close(raw(), [](uv_handle_t* closed) {
    Handle* const self = &from(closed->data);
    self->on_closed();
    self->loop_->remove(*self);
    self->state_ = State::kClosed;
    ResourceAccess::end(self->resource_);
    if (!self->is_owned_) delete self;
  });
}

void DropHandle::operator()(Handle* handle) const noexcept {
  handle->drop();
}

void Handle::drop() noexcept {
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
