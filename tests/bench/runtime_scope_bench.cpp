// Entering and leaving a cancel scope, and a task group against plain spawns.
#include <chrono>

#include "rounds.h"
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>

namespace {

using weft::CancelScope;

constexpr int kTasks = 1000;

// Times `n` calls of `fn` on a fiber.
template <typename F>
double on_fiber(long n, F fn) {
  double ns = 0;
  weft::run([n, &ns, &fn] {
    ns = bench::nanoseconds([n, &fn] {
      for (long i = 0; i < n; ++i) fn();
    });
  });
  return ns;
}

double read_clock(long n) {
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) bench::keep(std::chrono::steady_clock::now());
  });
}
double scope(long n) {
  return on_fiber(n, [] { CancelScope().run([] {}); });
}
double scope_with_deadline(long n) {
  return on_fiber(n, [deadline = std::chrono::steady_clock::now() + std::chrono::hours(1)] {
    CancelScope({.deadline = deadline}).run([] {});
  });
}
double timeout(long n) {
  return on_fiber(n, [] { weft::with_timeout(std::chrono::hours(1), [] {}); });
}

double plain_spawns(long n) {
  return on_fiber(n, [] {
    for (int i = 0; i < kTasks; ++i) weft::spawn([] {});
    weft::yield();
  });
}
double group(long n) {
  return on_fiber(n, [] {
    weft::task_group([](weft::TaskGroup& tasks) {
      for (int i = 0; i < kTasks; ++i) tasks.spawn([] {});
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("enter + leave a scope", "ns",
                 {{"floor", "steady_clock::now", read_clock},
                  {"ours", "without a deadline", scope},
                  {"ours", "with a deadline", scope_with_deadline},
                  {"ours", "with_timeout", timeout}});
  rounds.compare("1000 empty tasks", "ns",
                 {{"floor", "spawn", plain_spawns}, {"ours", "task group", group}});
  return rounds.status();
}
