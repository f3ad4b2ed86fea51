#include <algorithm>
#include <random>

#include <weft/runtime/retry.h>
#include <weft/runtime/timers.h>

namespace weft::detail {
namespace {

using std::chrono::nanoseconds;

std::uint64_t any_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// SplitMix64 (Steele, Lea and Flood 2014): the next of a sequence, from 0 to below 1.
double next_random(std::uint64_t& state) noexcept {
  std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  return static_cast<double>(mixed >> 11) * 0x1p-53;
}

}  // namespace

RetryPlan::RetryPlan(const RetryOptions& options)
    : options_(options),
      delay_(std::min(options.backoff, options.max_delay)),
      random_(options.seed || options.jitter == 0 ? options.seed.value_or(0) : any_seed()) {
  if (options.attempts == 0) throw UsageError("retry: attempts is 0; allow one call at least");
  if (!(options.jitter >= 0 && options.jitter <= 1)) {
    throw UsageError("retry: jitter is a part of the pause, from 0 to 1");
  }
  if (options.backoff < nanoseconds(0) || options.max_delay < nanoseconds(0)) {
    throw UsageError("retry: a pause cannot be negative");
  }
}

nanoseconds RetryPlan::next_delay() noexcept {
  const nanoseconds whole = delay_;
  delay_ = whole > options_.max_delay / 2 ? options_.max_delay : whole * 2;
  if (options_.jitter == 0) return whole;
  const double left_out = options_.jitter * next_random(random_);
  return whole -
         nanoseconds(static_cast<nanoseconds::rep>(static_cast<double>(whole.count()) * left_out));
}

bool RetryPlan::wait_to_try_again() {
  if (++attempts_ >= options_.attempts) return false;
  const nanoseconds delay = next_delay();
  const auto left = remaining();
  if (options_.deadline && left && *left <= delay) return false;
  sleep_for(delay);
  return true;
}

}  // namespace weft::detail
