// Hooks: the life of a resource without any, and with all four that do nothing.
#include "hooks.h"
#include "rounds.h"
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/hooks.h>

namespace {

// Destroy events queue until the loop's check phase: one turn ends this many lives.
constexpr long kLivesPerTurn = 64;

// Four calls that cannot be inlined.
double four_calls(long n) {
  void (*volatile hook)(long) = [](long id) { bench::keep(id); };
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      for (int event = 0; event < 4; ++event) hook(i);
    }
  });
}

// init, before, after, destroy.
double lives(long n) {
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) {
      weft::AsyncResource("BENCH").run_in_async_scope([] { bench::keep(0); });
      if (i % kLivesPerTurn == 0) weft::detail::drain_destroys();
    }
    weft::detail::drain_destroys();
  });
}

double hooked_lives(long n) {
  auto hooks = bench::empty_hooks();
  hooks.enable();
  return lives(n);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("resource life", "ns",
                 {{"floor", "four calls", four_calls},
                  {"ours", "weft, no hook", lives},
                  {"ours", "weft, four empty hooks", hooked_lives}});
  return rounds.status();
}
