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
  // That may run destructors of the user's, and free what the caller does not hold.
  static void end(AsyncResource& resource) noexcept {
    const FrameRef left = end_but_frame(resource);
  }
  // The same for a caller who has more to do: the frame, to be dropped last of all.
  [[nodiscard]] static FrameRef end_but_frame(AsyncResource& resource) noexcept {
    if (!std::exchange(resource.destroyed_, true)) queue_destroy(resource.async_id_);
    return std::move(resource.frame_);
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
