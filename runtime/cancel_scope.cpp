#include <algorithm>
#include <string>

#include <uv.h>

#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft {
namespace {

using std::chrono::nanoseconds;

// "50 ms", "2 s", "1500 ms": the largest unit that is exact.
std::string to_text(nanoseconds duration) {
  struct Unit {
    nanoseconds size;
    const char* name;
  };
  static constexpr Unit kUnits[] = {{std::chrono::hours(1), " h"},
                                    {std::chrono::minutes(1), " min"},
                                    {std::chrono::seconds(1), " s"},
                                    {std::chrono::milliseconds(1), " ms"},
                                    {std::chrono::microseconds(1), " us"}};
  for (const Unit& unit : kUnits) {
    if (duration.count() != 0 && duration % unit.size == nanoseconds(0)) {
      return std::to_string(duration / unit.size) + unit.name;
    }
  }
  return std::to_string(duration.count()) + " ns";
}

}  // namespace

namespace detail {

void raise_timed_out(const TimeLimit& limit) {
  std::string doing =
      limit.timeout ? "with_timeout of " + to_text(*limit.timeout) : "with_deadline";
  doing += std::string(" at ") + limit.at.file + ":" + std::to_string(limit.at.line);
  throw TimedOut(std::error_code(UV_ETIMEDOUT, uv_category()), doing);
}

}  // namespace detail

std::optional<std::chrono::steady_clock::time_point> current_effective_deadline() noexcept {
  const auto deadline = detail::effective_deadline();
  if (deadline == detail::kNoDeadline) return std::nullopt;
  return deadline;
}

std::optional<nanoseconds> remaining() noexcept {
  const auto deadline = detail::effective_deadline();
  if (deadline == detail::kNoDeadline) return std::nullopt;
  const auto from = detail::scope_now();
  return deadline > from ? deadline - from : nanoseconds(0);
}

bool is_cancelled() noexcept {
  return detail::is_running_cancelled();
}

void check_cancelled() {
  detail::fiber_that_may_wait("check_cancelled");
}

}  // namespace weft
