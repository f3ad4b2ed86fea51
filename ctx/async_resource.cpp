#include <cstdio>
#include <cstdlib>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/emit.h>
#include <weft/ctx/detail/resource_access.h>

namespace weft {

using detail::Execution;

void AsyncResource::forget_in_scopes() noexcept {
  Execution& execution = *detail::thread_state.execution;
  if (execution.resource == this) execution.resource = nullptr;
  for (detail::CallScope* scope = execution.scope; scope != nullptr; scope = scope->outer().scope) {
    if (scope->outer().resource == this) scope->outer().resource = nullptr;
  }
}

AsyncResource& AsyncResource::emit_destroy() {
  detail::check_at_home(async_id_, "AsyncResource::emit_destroy");
  destroyed_ = true;
  detail::queue_destroy(async_id_);
  return *this;
}

AsyncResource& AsyncResource::async_reset(std::optional<AsyncId> trigger) {
  detail::check_at_home(async_id_, "AsyncResource::async_reset");
  const AsyncId triggered_by = trigger ? *trigger : detail::running_async_id();
  detail::FrameRef frame = detail::capture();  // a fork may throw: before anything ended
  const detail::FrameRef left = end_life();
  detail::ResourceAccess::begin(*this, detail::next_async_id(), triggered_by, std::move(frame));
  return *this;
}

void AsyncResource::retire() noexcept {
  detail::require_at_home(async_id_, "AsyncResource::retire");
  const detail::FrameRef left = end_life();
}

detail::FrameRef AsyncResource::end_life() noexcept {
  if (detail::thread_state.execution != nullptr) forget_in_scopes();
  detail::FrameRef left = detail::ResourceAccess::end_but_frame(*this);
  async_id_ = 0;
  return left;
}

namespace detail {
namespace {

// All but the frame: a hook may have replaced that with enter_with.
void show(Execution& execution, const Execution& at) {
  execution.async_id = at.async_id;
  execution.trigger_async_id = at.trigger_async_id;
  execution.resource = at.resource;
}

// No event that follows would be true, and no id: better no process.
[[noreturn, gnu::noinline]] void die_out_of_order(const CallScope& ended) {
  const Execution& running = *thread_state.execution;
  const auto print = [](AsyncId id) { return static_cast<unsigned long long>(id); };
  const CallScope* inner = running.scope;
  while (inner != nullptr && inner->outer().scope != &ended) inner = inner->outer().scope;
  if (inner == nullptr) {
    std::fprintf(stderr, "weft: a scope ends on another stack than it was entered on, in %llu\n",
                 print(running.async_id));
  } else {
    std::fprintf(stderr, "weft: the scope of resource %llu ends while %llu runs inside it\n",
                 print(inner->outer().async_id), print(running.async_id));
  }
  std::abort();
}

}  // namespace

CallScope::CallScope(AsyncResource& resource, FrameRef frame)
    : execution_(current_execution()), outer_(execution_) {
  execution_.frame = std::move(frame).release();
  execution_.resource = &resource;
  execution_.async_id = resource.async_id();
  execution_.trigger_async_id = resource.trigger_async_id();
  execution_.scope = this;
  emit_before(execution_.async_id);
}

CallScope::~CallScope() {
  if (thread_state.execution->scope != this) [[unlikely]]
    die_out_of_order(*this);
  emit_after(execution_.async_id);
  const FrameRef left = FrameRef::adopt(execution_.frame);
  execution_ = outer_;
}

void emit_leave(Execution& execution) {
  const Execution inner = execution;
  for (const Execution* at = &inner; at != nullptr;
       at = at->scope == nullptr ? nullptr : &at->scope->outer()) {
    show(execution, *at);
    emit_after(at->async_id);
  }
  show(execution, inner);
}

namespace {

void enter_from_outside(Execution& execution, const Execution& at) {
  if (at.scope != nullptr) enter_from_outside(execution, at.scope->outer());
  show(execution, at);
  emit_before(at.async_id);
}

}  // namespace

void emit_enter(Execution& execution) {
  const Execution inner = execution;
  enter_from_outside(execution, inner);
  show(execution, inner);
}

}  // namespace detail
}  // namespace weft
