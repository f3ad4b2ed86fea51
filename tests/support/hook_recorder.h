// HookRecorder: what a real hook sees, as lines that are the same in every run.
//
//   HookRecorder recorder;
//   { AsyncResource job("JOB"); job.run_in_async_scope([] {}); }
//   recorder.trace() == Trace{"init JOB 2 1", "before 2", "after 2"}
//
// Lines: `init TYPE id trigger`, `before id`, `after id`, `destroy id`, `resolve id`.
// Ids count from 2 in order of first appearance; 0 (no resource) and 1 (a loop's main
// fiber) keep their numbers. `?5` is an id whose init the recorder did not see.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/ctx/hooks.h>
#include <weft/tests/support/trace.h>

namespace weft::test {

struct HookRecorderOptions {
  // Resources of these types leave no line and take no number; what they triggered
  // shows their trigger instead (as Node's graph tests prune ticks).
  std::vector<std::string> hidden_types = {};
};

// Records while it lives. Dies outside of hooks.
class HookRecorder {
 public:
  using Options = HookRecorderOptions;

  explicit HookRecorder(Options options = {})
      : options_(std::move(options)), hook_(create_hook(callbacks())) {
    hook_.enable();
  }
  HookRecorder(const HookRecorder&) = delete;
  HookRecorder& operator=(const HookRecorder&) = delete;
  ~HookRecorder() = default;

  const Trace& trace() const noexcept { return trace_; }

  // Returns the lines since the last take(); the names of ids stay.
  Trace take() { return std::exchange(trace_, {}); }

  // Adds a line of the test's own between those of the hook.
  void note(std::string line) { trace_.push_back(std::move(line)); }

  // The normalised id, for notes and comparisons.
  std::string name(AsyncId id) { return name_with(id, "?"); }

 private:
  static constexpr AsyncId kMainFiber = 1;

  HookCallbacks callbacks() {
    return {
        .init = [this](AsyncId id, std::string_view type, AsyncId trigger,
                       AsyncResource&) { on_init(id, type, trigger); },
        .before = [this](AsyncId id) { on_event("before ", id); },
        .after = [this](AsyncId id) { on_event("after ", id); },
        .destroy = [this](AsyncId id) { on_event("destroy ", id); },
        .promise_resolve = [this](AsyncId id) { on_event("resolve ", id); },
    };
  }

  void on_init(AsyncId id, std::string_view type, AsyncId trigger) {
    const auto& hidden = options_.hidden_types;
    if (std::find(hidden.begin(), hidden.end(), type) != hidden.end()) {
      hidden_[id] = visible(trigger);
      return;
    }
    const std::string trigger_name = name(visible(trigger));
    trace_.push_back("init " + std::string(type) + " " + name_with(id, "") + " " + trigger_name);
  }

  void on_event(const char* event, AsyncId id) {
    if (!hidden_.contains(id)) trace_.push_back(event + name(id));
  }

  AsyncId visible(AsyncId id) const {
    const auto found = hidden_.find(id);
    return found == hidden_.end() ? id : found->second;
  }

  std::string name_with(AsyncId id, const char* prefix) {
    const AsyncId in_loop = id & 0x0000'ffff'ffff'ffff;  // without the loop's number
    if (id == 0 || in_loop == kMainFiber) return std::to_string(in_loop);
    const auto [found, is_new] = names_.try_emplace(id);
    if (is_new) found->second = prefix + std::to_string(names_.size() + kMainFiber);
    return found->second;
  }

  Options options_;
  Trace trace_;
  std::map<AsyncId, std::string> names_;
  std::map<AsyncId, AsyncId> hidden_;  // to the nearest trigger that is not hidden
  AsyncHook hook_;
};

}  // namespace weft::test
