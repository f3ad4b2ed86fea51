#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <weft/ctx/async_local.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/testing/cancel_everywhere.h>
#include <weft/runtime/timers.h>

namespace weft::testing {
namespace {

using Milliseconds = std::chrono::milliseconds;

// Counts the suspension points of fibers, cancels at one, and checks that events pair.
class SweepHook {
 public:
  enum class When { kParked, kRunning };

  // `point` 0: only counts.
  SweepHook(CancelScope& scope, When when, int point)
      : scope_(scope), when_(when), point_(point), hook_(create_hook(callbacks())) {
    hook_.enable();
  }
  SweepHook(const SweepHook&) = delete;
  SweepHook& operator=(const SweepHook&) = delete;
  ~SweepHook() = default;

  int points() const noexcept { return points_; }
  // Stops counting: the scenario is over.
  void stop() noexcept { is_over_ = true; }

  // After the run: what was wrong, a line each.
  std::string complaints() {
    hook_.disable();
    for (const auto& [id, life] : lives_) {
      const std::string who = "  " + life.type + " " + std::to_string(id);
      if (life.befores != life.afters) complaints_ += who + ": before without after\n";
      if (life.destroys != 1) {
        complaints_ += who + ": destroyed " + std::to_string(life.destroys) + " times\n";
      }
    }
    if (!open_.empty()) complaints_ += "  an event pair was left open\n";
    return complaints_;
  }

 private:
  struct Life {
    std::string type;
    int befores = 0;
    int afters = 0;
    int destroys = 0;
  };

  HookCallbacks callbacks() {
    return {.init = [this](AsyncId id, std::string_view type, AsyncId,
                           AsyncResource&) { lives_[id].type = type; },
            .before = [this](AsyncId id) { on_before(id); },
            .after = [this](AsyncId id) { on_after(id); },
            .destroy = [this](AsyncId id) { ++lives_[id].destroys; }};
  }

  void on_before(AsyncId id) {
    ++lives_[id].befores;
    open_.push_back(id);
    if (when_ == When::kRunning) reach(id);
  }
  void on_after(AsyncId id) {
    ++lives_[id].afters;
    if (open_.empty() || open_.back() != id) {
      complaints_ += "  after of " + lives_[id].type + " is not the innermost\n";
    } else {
      open_.pop_back();
    }
    if (when_ == When::kParked) reach(id);
  }
  void reach(AsyncId id) {
    if (is_over_ || lives_[id].type != "FIBER") return;
    if (++points_ == point_) scope_.cancel("the sweep");
  }

  CancelScope& scope_;
  When when_;
  int point_;
  int points_ = 0;
  bool is_over_ = false;
  std::map<AsyncId, Life> lives_;
  std::vector<AsyncId> open_;
  std::string complaints_;
  AsyncHook hook_;
};

struct SweepRun {
  int points = 0;
  Milliseconds took{};
  bool was_cut = false;
  bool has_ended = false;  // and did not pass on a Cancelled that is nobody's
  std::string complaints = {};
};

void expect(bool holds, SweepRun& run, const char* what) {
  if (!holds) run.complaints += "  " + std::string(what) + "\n";
}

// Runs the scenario in `scope`, on the main fiber of a fresh loop.
void run_in_scope(CancelScope& scope, UniqueFunction<void()>& scenario, SweepRun& result) {
  const AsyncLocal<std::string> local;
  local.run("before", [&] {
    const weft::detail::Execution before = weft::detail::current_execution();
    const auto began = now();
    result.was_cut = !scope.run([&] { scenario(); });
    result.took = std::chrono::ceil<Milliseconds>(now() - began);
    const weft::detail::Execution& after = weft::detail::current_execution();
    expect(*local.get() == "before" && after.frame == before.frame, result,
           "the context is another one after it");
    expect(after.async_id == before.async_id && after.scope == before.scope, result,
           "an execution scope was left open");
    expect(result.was_cut == scope.cancelled_caught(), result, "Cancelled went astray");
  });
  expect(!is_cancelled(), result, "what comes after it is cancelled");
  result.has_ended = true;
}

SweepRun sweep_once(UniqueFunction<void()>& scenario, SweepHook::When when, int point) {
  SweepRun result;
  CancelScope scope;
  SweepHook hook(scope, when, point);
  run_test([&] {
    run_in_scope(scope, scenario, result);
    hook.stop();
    sleep_for(Milliseconds(1));
  });
  result.complaints += hook.complaints();
  result.points = hook.points();
  return result;
}

SweepRun sweep_deadline(UniqueFunction<void()>& scenario, Milliseconds after) {
  SweepRun result;
  run_test([&] {
    CancelScope scope({.deadline = now() + after});
    run_in_scope(scope, scenario, result);
    sleep_for(Milliseconds(1));
  });
  return result;
}

// One run of the sweep; `where` tells which, should it fail.
template <typename Run>
SweepRun note(CancelSweep& sweep, const std::string& where, Run run) {
  SweepRun result;
  try {
    result = run();
  } catch (const TestFailure& failure) {
    throw TestFailure("cancel_everywhere, " + where + ": " + failure.what());
  } catch (const Deadlock& deadlock) {
    throw TestFailure("cancel_everywhere, " + where + ": " + deadlock.what());
  }
  expect(result.has_ended, result, "Cancelled left the scope it was thrown for");
  if (!result.complaints.empty()) {
    throw TestFailure("cancel_everywhere, " + where + ":\n" + result.complaints);
  }
  ++sweep.runs;
  sweep.cuts += result.was_cut ? 1 : 0;
  return result;
}

void sweep_points(UniqueFunction<void()>& scenario, SweepHook::When when, int points,
                  CancelSweep& sweep) {
  const bool is_parked = when == SweepHook::When::kParked;
  const std::string how = is_parked ? "parked at point " : "just before point ";
  for (int point = 1; point <= points; ++point) {
    note(sweep, how + std::to_string(point), [&] { return sweep_once(scenario, when, point); });
  }
}

}  // namespace

CancelSweep detail::cancel_everywhere(UniqueFunction<void()> scenario) {
  using When = SweepHook::When;
  CancelSweep sweep;
  const SweepRun whole =
      note(sweep, "not cancelled", [&] { return sweep_once(scenario, When::kParked, 0); });
  if (whole.was_cut) throw TestFailure("cancel_everywhere: the scenario cancels itself");
  sweep.points = whole.points;
  for (const When when : {When::kParked, When::kRunning}) {
    sweep_points(scenario, when, whole.points, sweep);
  }
  for (Milliseconds after{0}; after <= whole.took; ++after) {
    note(sweep, "after " + std::to_string(after.count()) + " ms",
         [&] { return sweep_deadline(scenario, after); });
  }
  return sweep;
}

}  // namespace weft::testing
