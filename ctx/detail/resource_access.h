// ResourceAccess: what runtime/ and io/ may do with a resource beyond its public face.
#pragma once

#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/capture.h>
#include <weft/ctx/detail/emit.h>

namespace weft::detail {

struct ResourceAccess {
  // For a resource whose life begins later, with begin().
  using Unborn = AsyncResource::Unborn;

  static FrameRef& frame(AsyncResource& resource) noexcept { return resource.frame_; }

  // Ends the resource's life before its memory's: queues destroy once and drops the frame.
  static void end(AsyncResource& resource) noexcept {
    if (!std::exchange(resource.destroyed_, true)) queue_destroy(resource.async_id_);
    resource.frame_.reset();
  }

  // The same where no hook listens and the frame is gone.
  static void end_unheard(AsyncResource& resource) noexcept { resource.destroyed_ = true; }

  // Begins a new life with what the caller has captured.
  static void begin(AsyncResource& resource, AsyncId id, AsyncId trigger, FrameRef frame) {
    resource.async_id_ = id;
    resource.trigger_async_id_ = trigger;
    resource.destroyed_ = false;
    if (resource.frame_) __builtin_unreachable();  // the old life has ended
    resource.frame_ = std::move(frame);
    emit_init(resource);
  }
};

}  // namespace weft::detail
