#include <weft/ctx/detail/local_scope.h>

namespace weft::detail {
namespace {

// Holds the caller's reference to a value until a frame takes it.
struct ValueGuard {
  Value* value;
  explicit ValueGuard(Value* held) : value(held) {}
  ValueGuard(const ValueGuard&) = delete;
  ValueGuard& operator=(const ValueGuard&) = delete;
  ~ValueGuard() {
    if (value != nullptr) value->release();
  }
};

Frame* frame_with(const Frame* base, LocalId local, Value* value) {
  ValueGuard guard(value);
  Frame* const made = Frame::with(base, local, value);
  guard.value = nullptr;
  return made;
}

void replace_frame(Execution& execution, Frame* frame) noexcept {
  const FrameRef old = FrameRef::adopt(std::exchange(execution.frame, frame));
}

}  // namespace

void set_local(LocalId local, Value* value) {
  Execution& execution = current_execution();
  replace_frame(execution, frame_with(execution.frame, local, value));
}

void unset_local(LocalId local) {
  Execution& execution = current_execution();
  replace_frame(execution, Frame::without(execution.frame, local));
}

LocalScope::LocalScope(LocalId local, Value* value)
    : execution_(current_execution()),
      local_(local),
      outer_(execution_.frame),
      mine_(frame_with(outer_, local, value)) {
  mine_->retain();
  execution_.frame = mine_;
}

// Inside the scope somebody replaced the frame: keep it, with this local as it was.
// noexcept: where memory for the frame is missing, the context cannot be told apart
// from a wrong one, so the process ends.
void LocalScope::restore_one() noexcept {
  const FrameRef outer = FrameRef::adopt(outer_);
  // The local died inside its own scope: what is in its slot belongs to somebody else.
  if (execution_.frame != nullptr && execution_.frame->is_taken(local_)) return;
  const Frame::Entry* const before = outer_ == nullptr ? nullptr : outer_->find(local_);
  if (before == nullptr) {
    replace_frame(execution_, Frame::without(execution_.frame, local_));
    return;
  }
  if (before->value != nullptr) before->value->retain();
  replace_frame(execution_, Frame::with(execution_.frame, local_, before->value));
}

}  // namespace weft::detail
