// Timers: arming and cancelling while others are held, and firing a million; on the
// wheel alone and through set_timeout().
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

#include <uv.h>

#include "rounds.h"
#include <weft/runtime/detail/timer_wheel.h>
#include <weft/runtime/run.h>
#include <weft/runtime/timers.h>

namespace {

using weft::detail::TimerWheel;
using Numbers = std::vector<std::uint64_t>;

struct Range {
  std::uint64_t from;
  std::uint64_t to;
};

constexpr long kMillion = 1000000;
constexpr long kSetAndClear = 500000;    // a round; what goes before it takes longer
constexpr Range kIdleMs{1000, 60000};    // how long the held ones wait
constexpr Range kOperationMs{1, 999};    // due before all of them
constexpr std::size_t kDraws = 1 << 18;  // random numbers, drawn beforehand

Numbers random_numbers(std::size_t count, Range range) {
  std::mt19937_64 random(42);
  std::uniform_int_distribution<std::uint64_t> number(range.from, range.to);
  Numbers numbers(count);
  for (std::uint64_t& drawn : numbers) drawn = number(random);
  return numbers;
}

void ignore(uv_timer_t* /*timer*/) {}

// A loop of its own with a timer for each delay, all armed, and a spare one.
struct UvTimers {
  explicit UvTimers(const Numbers& delays) : timers(delays.size()) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &spare);
    for (std::size_t i = 0; i < delays.size(); ++i) {
      uv_timer_init(&loop, &timers[i]);
      uv_timer_start(&timers[i], ignore, delays[i], 0);
    }
  }
  UvTimers(const UvTimers&) = delete;
  UvTimers& operator=(const UvTimers&) = delete;
  ~UvTimers() {
    uv_close(reinterpret_cast<uv_handle_t*>(&spare), nullptr);
    for (uv_timer_t& timer : timers) uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
  }

  uv_loop_t loop;
  std::vector<uv_timer_t> timers;
  uv_timer_t spare;
};

// The same on a wheel.
struct WheelTimers {
  explicit WheelTimers(const Numbers& delays) : timers(delays.size()) {
    for (std::size_t i = 0; i < delays.size(); ++i) wheel.arm(timers[i], delays[i]);
  }

  TimerWheel wheel;
  std::vector<TimerWheel::Node> timers;
  TimerWheel::Node spare;
};

// A side that holds `held` timers and does `step(timers, pick, delay)` with
// random numbers. The timers are made at its first round and stay.
template <typename Timers, typename Step>
bench::Side churn(std::string role, std::string name, std::size_t held, Range delay, Step step) {
  struct State {
    Timers timers;
    Numbers picks;
    Numbers delays;
  };
  const auto cost = [held, delay, step, state = std::shared_ptr<State>()](long n) mutable {
    if (state == nullptr) {
      state.reset(new State{Timers(random_numbers(held, kIdleMs)),
                            random_numbers(kDraws, {0, held - 1}), random_numbers(kDraws, delay)});
    }
    return bench::nanoseconds([&] {
      for (long i = 0; i < n; ++i) {
        const std::size_t draw = static_cast<std::size_t>(i) % kDraws;
        step(state->timers, state->picks[draw], state->delays[draw]);
      }
    });
  };
  return {std::move(role), std::move(name), cost};
}

// The same through the public API: every timer is a resource with a callback, on the heap.
double set_and_clear(std::size_t held, long n) {
  double ns = 0;
  weft::run([held, n, &ns] {
    using std::chrono::milliseconds;
    const auto ms = [](std::uint64_t count) { return milliseconds(count); };
    std::vector<weft::Timeout> idle;
    idle.reserve(held);
    for (const auto delay : random_numbers(held, kIdleMs)) {
      idle.push_back(weft::set_timeout(ms(delay), [] {}));
    }
    const Numbers delays = random_numbers(kDraws, kOperationMs);
    ns = bench::nanoseconds([&] {
      for (long i = 0; i < n; ++i) {
        weft::set_timeout(ms(delays[static_cast<std::size_t>(i) % kDraws]), [] {}).clear();
      }
    });
    for (weft::Timeout& timeout : idle) timeout.clear();
  });
  return ns;
}

// The held ones are idle timeouts; what is armed and cancelled is an operation's.
void arm_cancel(bench::Rounds& rounds, const std::string& what, std::size_t held) {
  const auto uv = [](UvTimers& all, std::uint64_t, std::uint64_t delay) {
    uv_timer_start(&all.spare, ignore, delay, 0);
    uv_timer_stop(&all.spare);
  };
  const auto wheel = [](WheelTimers& all, std::uint64_t, std::uint64_t delay) {
    all.wheel.arm(all.spare, delay);
    all.wheel.cancel(all.spare);
  };
  const auto nothing = [](WheelTimers&, std::uint64_t pick, std::uint64_t delay) {
    bench::keep(pick);
    bench::keep(delay);
  };
  rounds.compare("timer arm + cancel, " + what, "ns",
                 {churn<UvTimers>("floor", "uv_timer", held, kOperationMs, uv),
                  churn<WheelTimers>("ours", "weft wheel", held, kOperationMs, wheel),
                  churn<WheelTimers>("loop", "loop", held, kOperationMs, nothing),
                  {"ours", "weft set_timeout + clear",
                   [held](long n) { return set_and_clear(held, n); }, kSetAndClear}});
}

// One of the held ones, at random, is cancelled and armed again.
void rearm(bench::Rounds& rounds, const std::string& what, std::size_t held) {
  const auto uv = [](UvTimers& all, std::uint64_t pick, std::uint64_t delay) {
    uv_timer_stop(&all.timers[pick]);
    uv_timer_start(&all.timers[pick], ignore, delay, 0);
  };
  const auto wheel = [](WheelTimers& all, std::uint64_t pick, std::uint64_t delay) {
    all.wheel.cancel(all.timers[pick]);
    all.wheel.arm(all.timers[pick], delay);
  };
  rounds.compare("re-arm a held timer, " + what, "ns",
                 {churn<UvTimers>("floor", "uv_timer", held, kIdleMs, uv),
                  churn<WheelTimers>("ours", "weft wheel", held, kIdleMs, wheel)});
}

// All are due when the loop looks: what is timed is firing, not waiting.
double uv_fire(long n) {
  UvTimers all(random_numbers(static_cast<std::size_t>(n), {1, 1000}));
  usleep(1001 * 1000);
  return bench::nanoseconds([&all] { uv_run(&all.loop, UV_RUN_NOWAIT); });
}

double wheel_fire(long n) {
  WheelTimers all(random_numbers(static_cast<std::size_t>(n), {1, 1000}));
  long fired = 0;
  const double ns = bench::nanoseconds([&] {
    while (all.wheel.pop_due(1000) != nullptr) ++fired;
  });
  if (fired != n) std::abort();
  return ns;
}

// From the main fiber's end, when all are due, to the last callback.
double weft_fire(long n) {
  std::chrono::steady_clock::time_point from;
  std::chrono::steady_clock::time_point to;
  long left = n;
  weft::run([&] {
    for (const auto delay : random_numbers(static_cast<std::size_t>(n), {1, 1000})) {
      weft::set_timeout(std::chrono::milliseconds(delay), [&] {
        if (--left == 0) to = std::chrono::steady_clock::now();
      });
    }
    usleep(1001 * 1000);
    from = std::chrono::steady_clock::now();
  });
  if (left != 0) std::abort();
  return std::chrono::duration<double, std::nano>(to - from).count();
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  arm_cancel(rounds, "10 k held", 10000);
  arm_cancel(rounds, "1 M held", kMillion);
  rearm(rounds, "10 k held", 10000);
  rearm(rounds, "1 M held", kMillion);
  rounds.compare("fire 1 M timers", "ns",
                 {{"floor", "uv_timer", uv_fire, kMillion},
                  {"ours", "weft wheel", wheel_fire, kMillion},
                  {"ours", "weft set_timeout", weft_fire, kMillion}});
  return rounds.status();
}
