// Watchers: the hooks of one run.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/property/findings.h>
#include <weft/tests/property/life_checker.h>

namespace weft::property {

// Which hooks a run has. The program cannot tell.
struct Mode {
  const char* name;
  bool is_watched = false;  // by a hook that is enabled throughout
  bool is_toggled = false;  // by hooks that the program switches on and off
};

inline constexpr std::array kModes = {
    Mode{"no hook", false, false},
    Mode{"a hook throughout", true, false},
    Mode{"hooks on and off", false, true},
    Mode{"a hook throughout, others on and off", true, true},
};

class Watchers {
 public:
  Watchers(const Mode& mode, Findings& findings)
      : mode_(mode),
        whole_(findings, LifeChecker::Sees::kAll),
        parts_{PartTime(findings, 0), PartTime(findings, 1), PartTime(findings, 2)} {
    if (!mode.is_watched) return;
    hook_.emplace(whole_.callbacks());
    hook_->enable();
  }

  // Switches one of the hooks that come and go.
  void turn(unsigned which, bool on) {
    if (!mode_.is_toggled) return;
    AsyncHook& hook = parts_[which % parts_.size()].hook;
    on ? hook.enable() : hook.disable();
  }

  void finish_loop() {
    if (mode_.is_watched) whole_.finish_loop();
  }

  // The run is over and everything of it dropped.
  void finish() {
    detail::drain_destroys();
    if (mode_.is_watched) whole_.finish();
    hook_.reset();
    for (PartTime& part : parts_) part.hook.disable();
  }

 private:
  struct PartTime {
    PartTime(Findings& findings, int kind)
        : checker(findings, LifeChecker::Sees::kParts), hook(some(checker.callbacks(), kind)) {}

    static HookCallbacks some(HookCallbacks all, int kind) {
      if (kind == 0) return all;
      if (kind == 1) return {.before = std::move(all.before), .after = std::move(all.after)};
      return {.init = std::move(all.init), .destroy = std::move(all.destroy)};
    }

    LifeChecker checker;
    AsyncHook hook;
  };

  const Mode& mode_;
  LifeChecker whole_;
  std::optional<AsyncHook> hook_;
  std::array<PartTime, 3> parts_;
};

}  // namespace weft::property
