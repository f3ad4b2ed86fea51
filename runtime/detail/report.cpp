#include <cstdio>
#include <string>
#include <unordered_map>
#include <vector>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/holder.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

constexpr int kChainMax = 16;

std::string label(const AsyncResource& resource) {
  return std::string(resource.type()) + " " + std::to_string(resource.async_id());
}

std::string label(const Fiber& fiber) {
  std::string text = label(fiber.resource);
  return fiber.name.empty() ? text : text + " '" + fiber.name + "'";
}

using Fibers = std::unordered_map<AsyncId, const Fiber*>;

const Fiber* find_in(const Fibers& fibers, AsyncId id) {
  const auto found = fibers.find(id);
  return found == fibers.end() ? nullptr : found->second;
}

// The fiber that a parked one waits for: the holder, or the one it joins. Null: not one
// fiber, or it does not wait itself.
const Fiber* next_in_chain(const Fibers& parked, const Fiber& fiber) {
  const Wait& wait = *fiber.wait;
  if (wait.holder() != nullptr) return find_in(parked, wait.holder()->fiber);
  return wait.resource() == nullptr ? nullptr : find_in(parked, wait.resource()->async_id());
}

std::string describe_cycle(const Fibers& parked, const Fiber& first) {
  std::string text = "  a cycle: " + label(first);
  const Fiber* at = &first;
  for (int i = 0; i < kChainMax; ++i) {
    at = next_in_chain(parked, *at);
    text += " -> " + label(*at);
    if (at == &first) return text + "\n";
  }
  return text + " -> ...\n";
}

// Each fiber waits for one at most, so a walk either ends or goes round in a cycle.
std::string describe_cycles(const std::vector<const Fiber*>& waiting, const Fibers& parked) {
  std::string text;
  std::unordered_map<const Fiber*, const Fiber*> walks;  // a fiber met, and where that began
  for (const Fiber* const start : waiting) {
    const Fiber* at = start;
    while (at != nullptr && walks.emplace(at, start).second) at = next_in_chain(parked, *at);
    if (at != nullptr && walks[at] == start) text += describe_cycle(parked, *at);
  }
  return text;
}

std::string describe_address(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

// " of 'accounts', held by FIBER 7 'conn' (spawned at server.cpp:41)"
std::string describe_holder(const Fibers& parked, const EventLoop& loop, const Holder& holder) {
  std::string text = " of ";
  text += holder.name == nullptr ? describe_address(&holder) : "'" + std::string(holder.name) + "'";
  if (holder.readers != 0) return text + ", held by readers: " + std::to_string(holder.readers);
  if (holder.fiber == 0) return text;
  const Fiber* const fiber = find_in(parked, holder.fiber);
  return text + ", held by " +
         (fiber != nullptr ? describe(*fiber) : describe_fiber(loop, holder.fiber));
}

// A fiber where it was spawned, anything else by its type and id.
std::string describe_resource(const Fibers& parked, const EventLoop& loop,
                              const AsyncResource& resource) {
  const Fiber* const fiber = find_in(parked, resource.async_id());  // of many, without a search
  if (fiber != nullptr) return describe(*fiber);
  const std::string known = loop.find(resource.async_id()).text;
  return known.empty() ? label(resource) : known;
}

}  // namespace

std::string describe(const Fiber& fiber) {
  std::string text = label(fiber) + " (spawned at ";
  text += fiber.spawned_at.file;
  return text + ":" + std::to_string(fiber.spawned_at.line) + ")";
}

std::string describe_fiber(const EventLoop& loop, AsyncId id) {
  std::string text = loop.find(id).text;
  return text.empty() ? "FIBER " + std::to_string(id) + ", which has ended" : text;
}

EventLoop::Known EventLoop::find(AsyncId id) const {
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->resource.async_id() != id) continue;
    return {describe(*fiber) + (fiber->has_ended() ? ", which has ended" : ""),
            fiber->resource.trigger_async_id()};
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
  std::vector<const Fiber*> waiting;
  Fibers parked;
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->state != Fiber::State::kParked) continue;
    waiting.push_back(fiber);
    parked.emplace(fiber->resource.async_id(), fiber);
  }
  std::string text;
  for (const Fiber* const fiber : waiting) {
    const Wait& wait = *fiber->wait;
    text += "  " + describe(*fiber) + " waits in " + wait.what;
    if (wait.holder() != nullptr) {
      text += describe_holder(parked, *this, *wait.holder());
    } else if (wait.resource() != nullptr) {
      text += " for " + describe_resource(parked, *this, *wait.resource());
    }
    text += "\n";
  }
  return text + describe_cycles(waiting, parked);
}

void report(const Deadlock& deadlock) noexcept {
  std::fprintf(stderr, "weft: %s", deadlock.what());
}

void report_uncaught(const EventLoop& loop, const std::exception_ptr& error,
                     const char* what) noexcept {
  const std::string error_text = text_or_nothing([&] { return describe_exception(error); });
  const std::string origin = text_or_nothing([&] { return loop.describe_origin(); });
  std::fprintf(stderr, "weft: %s: %s\n%s", what, error_text.c_str(), origin.c_str());
}

void report_open_handles(uv_loop_s* loop) noexcept {
  std::fprintf(stderr, "weft: handles still open at the end of the loop:\n");
  uv_print_all_handles(loop, stderr);
}

}  // namespace weft::detail
