#include <algorithm>
#include <iterator>
#include <map>

#include <weft/runtime/active_resources.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/work.h>

namespace weft {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::string ActiveResource::to_string() const {
  std::string text = type + " " + std::to_string(async_id);
  text += waits_in.empty() ? ", open for " + std::to_string(age.count()) + " ms, "
                           : ", waits in " + waits_in + ", ";
  if (*created_at.file == '\0') return text + "triggered by " + std::to_string(trigger_async_id);
  return text + "created at " + created_at.file + ":" + std::to_string(created_at.line);
}

std::vector<ActiveResource> active_resources() {
  return detail::EventLoop::current("active_resources").active_resources();
}

namespace detail {
namespace {

ActiveResource active(const AsyncResource& resource, milliseconds age, SourceLocation at = {}) {
  return {std::string(resource.type()), resource.async_id(), resource.trigger_async_id(), age, at};
}

// The fibers that wait, by their stacks: one that sleeps has its timer there.
class ParkedFibers {
 public:
  void add(const Fiber& fiber) { by_stack_.emplace(fiber.stack.low, &fiber); }
  const Fiber* owner_of(const void* on_stack) const {
    const auto next = by_stack_.upper_bound(on_stack);
    return next == by_stack_.begin() ? nullptr : std::prev(next)->second;
  }

 private:
  std::map<const void*, const Fiber*> by_stack_;
};

}  // namespace

std::vector<ActiveResource> EventLoop::active_resources() {
  std::vector<ActiveResource> all;
  ParkedFibers parked;
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->state != Fiber::State::kParked) continue;
    parked.add(*fiber);
    all.push_back(active(fiber->resource, milliseconds(0), fiber->spawned_at));
    all.back().waits_in = fiber->wait->what;
  }
  for (Handle* handle = handles_; handle != nullptr; handle = handle->following_) {
    if (handle->keeps_loop_alive()) {
      all.push_back(active(handle->resource(), milliseconds(now_ms() - handle->created_ms()),
                           handle->created_at()));
    }
  }
  timers_.for_each([&](const Timer& timer) {
    if (!timer.is_referenced) return;
    const std::uint64_t set_ms =
        timer.deadline_ms() - std::min(timer.delay_ms, timer.deadline_ms());
    const Fiber* const sleeper = timer.is_on_heap ? nullptr : parked.owner_of(&timer);
    all.push_back(active(timer.resource, milliseconds(now_ms() - std::min(set_ms, now_ms())),
                         sleeper == nullptr ? SourceLocation{} : sleeper->spawned_at));
  });
  immediates_.for_each([&](const ImmediateTask& task) {
    if (task.is_referenced) all.push_back(active(task.resource, milliseconds(0)));
  });
  const auto now = std::chrono::steady_clock::now();
  for (const Work* work = remote_->works(); work != nullptr; work = work->next_on_loop()) {
    if (work->resource() == nullptr) continue;
    all.push_back(active(*work->resource(), duration_cast<milliseconds>(now - work->started_at())));
  }
  std::sort(all.begin(), all.end(), [](const ActiveResource& a, const ActiveResource& b) {
    return a.async_id < b.async_id;
  });
  return all;
}

}  // namespace detail
}  // namespace weft
