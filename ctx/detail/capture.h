// capture: what new work inherits of the running code's frame.
#pragma once

#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

// One increment; where some local opts out of inheritance or forks, a new frame.
inline FrameRef capture(Frame* frame) {
  if (frame == nullptr) return {};
  if (!frame->is_plain()) [[unlikely]]
    return FrameRef::adopt(Frame::inherited(*frame));
  return FrameRef::share(frame);
}
inline FrameRef capture() {
  const Execution* const execution = thread_state.execution;
  return capture(execution == nullptr ? nullptr : execution->frame);
}

}  // namespace weft::detail
