#include <cstdio>
#include <string>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>

namespace weft::detail {
namespace {

constexpr int kChainMax = 16;

std::string label(const AsyncResource& resource) {
  return std::string(resource.type()) + " " + std::to_string(resource.async_id());
}

}  // namespace

std::string describe(const Fiber& fiber) {
  std::string text = label(fiber.resource);
  if (!fiber.name.empty()) text.append(" '").append(fiber.name).append("'");
  text += " (spawned at ";
  text += fiber.spawned_at.file;
  return text + ":" + std::to_string(fiber.spawned_at.line) + ")";
}

std::string describe_fiber(const EventLoop& loop, AsyncId id) {
  std::string text = loop.find(id).text;
  return text.empty() ? "FIBER " + std::to_string(id) + " (ended)" : text;
}

EventLoop::Known EventLoop::find(AsyncId id) const {
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->resource.async_id() != id) continue;
    return {describe(*fiber), fiber->resource.trigger_async_id()};
  }
  for (const Handle* handle = handles_; handle != nullptr; handle = handle->following_) {
    if (handle->resource().async_id() != id) continue;
    return {label(handle->resource()), handle->resource().trigger_async_id()};
  }
  return {};
}

std::string EventLoop::describe_origin() const {
  const Execution& execution = current_execution();
  if (execution.async_id == 0) return "  outside of every resource\n";
  Known at = find(execution.async_id);
  if (at.text.empty()) {
    at.text =
        execution.resource == nullptr ? "a resource that is gone" : label(*execution.resource);
    at.trigger = execution.trigger_async_id;
  }
  std::string text = "  in " + at.text + "\n";
  for (int i = 0; i < kChainMax && at.trigger != 0; ++i) {
    const AsyncId trigger = at.trigger;
    at = find(trigger);
    text +=
        "  started by " + (at.text.empty() ? std::to_string(trigger) + " (ended)" : at.text) + "\n";
  }
  return text;
}

std::string EventLoop::describe_waiting_fibers() const {
  std::string text;
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->state != Fiber::State::kParked) continue;
    text += "  " + describe(*fiber) + " waits in " + fiber->wait->what;
    const Wait& wait = *fiber->wait;
    if (const Known on = find(wait.on); !on.text.empty()) {
      text += " for " + on.text;
    } else if (wait.resource != nullptr) {
      text += " for " + label(*wait.resource);
    }
    text += "\n";
  }
  return text;
}

void report(const Deadlock& deadlock) noexcept {
  std::fprintf(stderr, "weft: %s", deadlock.what());
}

void report_uncaught(const EventLoop& loop, const std::exception_ptr& error,
                     const char* what) noexcept {
  std::fprintf(stderr, "weft: %s: %s\n%s", what, describe_exception(error).c_str(),
               loop.describe_origin().c_str());
}

void report_open_handles(uv_loop_s* loop) noexcept {
  std::fprintf(stderr, "weft: handles still open at the end of the loop:\n");
  uv_print_all_handles(loop, stderr);
}

}  // namespace weft::detail
