// cancel_sweep: cancels a scenario everywhere it can be cancelled.
//
//   test::cancel_sweep([] {
//     auto peer = io::TcpStream::connect("127.0.0.1", port);
//     peer.write("ping");
//   });
//
// Runs it once and counts its suspension points, K, and the milliseconds it takes; then
// once for each point, cancelled while the fiber is parked there; once for each, cancelled
// just before it is reached; and once for each millisecond, cut by a deadline, with no
// hook enabled, so that the direct paths are taken. Each run must end with nothing left,
// its context as it was, the hooks' events in pairs, and the code after it able to wait.
//
// A scenario is done or cut. It catches what else it may throw. Scenarios use the harness's
// virtual clock, a fresh loop each time, and may be called again and again.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>

namespace weft::test {

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
      const std::string who = life.type + " " + std::to_string(id);
      if (life.befores != life.afters) complaints_ += who + ": before without after\n";
      if (life.destroys != 1) {
        complaints_ += who + ": destroyed " + std::to_string(life.destroys) + " times\n";
      }
    }
    if (!open_.empty()) complaints_ += "an event pair was left open\n";
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
      complaints_ += "after of " + lives_[id].type + " is not the innermost\n";
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
  std::chrono::milliseconds took{};
  bool was_cut = false;
};

// Runs the scenario in `scope`, on the main fiber of a fresh loop.
template <typename Scenario>
void run_in_scope(CancelScope& scope, Scenario& scenario, SweepRun& result) {
  const AsyncLocal<std::string> local;
  local.run("before", [&] {
    const detail::Frame* const frame = detail::current_execution().frame;
    const detail::Execution before = detail::current_execution();
    const auto began = now();
    result.was_cut = !scope.run([&] { scenario(); });
    result.took = std::chrono::ceil<std::chrono::milliseconds>(now() - began);
    CHECK(*local.get() == "before");
    CHECK(detail::current_execution().frame == frame);
    CHECK(detail::current_execution().async_id == before.async_id);
    CHECK(detail::current_execution().scope == before.scope);
    CHECK(result.was_cut == scope.cancelled_caught());
  });
  CHECK_FALSE(is_cancelled());
}

template <typename Scenario>
SweepRun sweep_once(Scenario& scenario, SweepHook::When when, int point) {
  SweepRun result;
  CancelScope scope;
  SweepHook hook(scope, when, point);
  run([&] {
    run_in_scope(scope, scenario, result);
    hook.stop();
    sleep_for(std::chrono::milliseconds(1));
  });
  CHECK(hook.complaints() == "");
  result.points = hook.points();
  return result;
}

template <typename Scenario>
SweepRun sweep_deadline(Scenario& scenario, std::chrono::milliseconds after) {
  SweepRun result;
  run([&] {
    CancelScope scope({.deadline = now() + after});
    run_in_scope(scope, scenario, result);
    sleep_for(std::chrono::milliseconds(1));
  });
  return result;
}

// Returns the number of suspension points; how many runs were cut is in `cuts`.
template <typename Scenario>
int cancel_sweep(Scenario scenario, int& cuts) {
  const SweepRun whole = sweep_once(scenario, SweepHook::When::kParked, 0);
  REQUIRE_FALSE(whole.was_cut);
  cuts = 0;
  for (const auto when : {SweepHook::When::kParked, SweepHook::When::kRunning}) {
    for (int point = 1; point <= whole.points; ++point) {
      CAPTURE(point);
      CAPTURE(static_cast<int>(when));
      cuts += sweep_once(scenario, when, point).was_cut ? 1 : 0;
    }
  }
  for (std::chrono::milliseconds after{0}; after <= whole.took; ++after) {
    CAPTURE(after.count());
    cuts += sweep_deadline(scenario, after).was_cut ? 1 : 0;
  }
  return whole.points;
}

}  // namespace weft::test
