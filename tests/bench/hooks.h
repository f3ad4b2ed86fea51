// What the hooks rows of the switch and spawn benchmarks share.
//
// The same source is built twice: against weft, and against weft without hook
// code (no_hooks.py). The driver runs the two programs in turns.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "rounds.h"
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/hooks.h>

namespace bench {

inline constexpr bool kHasHooks =
    std::same_as<decltype(weft::detail::ThreadState::hook_mask), std::uint32_t>;

// All four that do nothing.
inline weft::AsyncHook empty_hooks() {
  return weft::create_hook(
      {.init = [](weft::AsyncId, std::string_view, weft::AsyncId, weft::AsyncResource&) {},
       .before = [](weft::AsyncId) {},
       .after = [](weft::AsyncId) {},
       .destroy = [](weft::AsyncId) {}});
}

// Compares `cost` with no hook, with hooks that were on, and with hooks that are.
inline void compare_hooks(Rounds& rounds, const std::string& what, double (*cost)(long)) {
  if constexpr (!kHasHooks) {
    rounds.compare(what, "ns", {{"floor", "weft without hook code", cost}});
    return;
  }
  const auto were_on = [cost](long n) {
    empty_hooks().enable();
    return cost(n);
  };
  const auto on = [cost](long n) {
    auto hooks = empty_hooks();
    hooks.enable();
    return cost(n);
  };
  rounds.compare(what, "ns",
                 {{"ours", "weft, no hook", cost},
                  {"ours", "weft, hooks were on", were_on},
                  {"ours", "weft, four empty hooks", on}});
}

}  // namespace bench
