#include <algorithm>
#include <optional>

#include <weft/runtime/await.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/timers.h>

namespace weft {

using detail::EventLoop;
using detail::Timer;

namespace {

// Whole milliseconds, rounded up; at least one, as in Node.
std::uint64_t delay_ms(std::chrono::nanoseconds delay) noexcept {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(whole, 1));
}

// `Of` is a Timer or an ImmediateTask.
template <typename Of>
void require_at_home(const Of& of, const char* what) noexcept {
  detail::require_at_home(of.resource.async_id(), what);
}

// The leaf of both sleeps: the timer lives on the stack of the fiber that waits.
void sleep_until_ms(EventLoop& loop, std::uint64_t deadline_ms, const char* what) {
  std::optional<Timer> timer;
  Callback<void> completed;
  const Result<void> slept = await_result<void>(
      [&](Callback<void> done) {
        completed = std::move(done);
        timer.emplace(
            [&completed, &timer, what] {
              if (timer->is_cleared) return completed(detail::uv_error(UV_ECANCELED, what));
              completed({});
            },
            0, false);
        loop.timers().start_at(*timer, deadline_ms);
      },
      [&] {
        loop.timers().clear(*timer);
        completed(detail::uv_error(UV_ECANCELED, what));
      },
      what);
  // Cut by the end of the run in a destructor that unwinds, from which nothing may leave.
  if (!slept && detail::runtime_thread.exceptions->uncaught == 0) slept.value();
}

}  // namespace

namespace detail {

struct TimerAccess {
  static Timeout set(const char* what, std::chrono::nanoseconds delay,
                     UniqueFunction<void()> callback, bool repeats) {
    EventLoop& loop = EventLoop::current(what);
    require_callback(callback, what);
    loop.timers().update_now();
    auto* const timer = new Timer(std::move(callback), delay_ms(delay), repeats);
    timer->is_on_heap = true;
    retain(*timer);
    loop.timers().start(*timer);
    return Timeout(timer);
  }
  static Immediate set(UniqueFunction<void()> callback) {
    require_callback(callback, "set_immediate");
    ImmediateTask& task = EventLoop::current("set_immediate").immediates().add(std::move(callback));
    retain(task);
    return Immediate(&task);
  }
};

}  // namespace detail

Timeout set_timeout(std::chrono::nanoseconds delay, UniqueFunction<void()> callback) {
  return detail::TimerAccess::set("set_timeout", delay, std::move(callback), false);
}
Timeout set_interval(std::chrono::nanoseconds period, UniqueFunction<void()> callback) {
  return detail::TimerAccess::set("set_interval", period, std::move(callback), true);
}
Immediate set_immediate(UniqueFunction<void()> callback) {
  return detail::TimerAccess::set(std::move(callback));
}

Timeout::Timeout(const Timeout& other) noexcept : timer_(other.timer_) {
  if (timer_ == nullptr) return;
  require_at_home(*timer_, "Timeout's copy");
  detail::retain(*timer_);
}
Timeout::~Timeout() {
  if (timer_ == nullptr) return;
  require_at_home(*timer_, "~Timeout");
  detail::release(*timer_);
}
void Timeout::clear() noexcept {
  if (timer_ != nullptr) require_at_home(*timer_, "Timeout::clear");
  EventLoop* const loop = EventLoop::current_or_null();
  if (timer_ != nullptr && loop != nullptr) loop->timers().clear(*timer_);
}
Timeout& Timeout::refresh() {
  if (timer_ == nullptr) return *this;
  detail::check_at_home(timer_->resource.async_id(), "Timeout::refresh");
  auto& timers = EventLoop::current("refresh").timers();
  timers.update_now();
  timers.refresh(*timer_);
  return *this;
}
Timeout& Timeout::set_ref(bool referenced) noexcept {
  if (timer_ != nullptr) require_at_home(*timer_, "Timeout::ref");
  EventLoop* const loop = EventLoop::current_or_null();
  if (timer_ != nullptr && loop != nullptr) loop->timers().set_referenced(*timer_, referenced);
  return *this;
}
bool Timeout::has_ref() const noexcept {
  return timer_ != nullptr && timer_->is_referenced;
}
AsyncId Timeout::async_id() const noexcept {
  return timer_ == nullptr ? 0 : timer_->resource.async_id();
}

Immediate::Immediate(const Immediate& other) noexcept : task_(other.task_) {
  if (task_ == nullptr) return;
  require_at_home(*task_, "Immediate's copy");
  detail::retain(*task_);
}
Immediate::~Immediate() {
  if (task_ == nullptr) return;
  require_at_home(*task_, "~Immediate");
  detail::release(*task_);
}
void Immediate::clear() noexcept {
  if (task_ != nullptr) require_at_home(*task_, "Immediate::clear");
  EventLoop* const loop = EventLoop::current_or_null();
  if (task_ != nullptr && loop != nullptr) loop->immediates().clear(*task_);
}
Immediate& Immediate::set_ref(bool referenced) noexcept {
  if (task_ != nullptr) require_at_home(*task_, "Immediate::ref");
  EventLoop* const loop = EventLoop::current_or_null();
  if (task_ != nullptr && loop != nullptr) loop->immediates().set_referenced(*task_, referenced);
  return *this;
}
bool Immediate::has_ref() const noexcept {
  return task_ != nullptr && task_->is_referenced;
}
AsyncId Immediate::async_id() const noexcept {
  return task_ == nullptr ? 0 : task_->resource.async_id();
}

void sleep_for(std::chrono::nanoseconds duration) {
  EventLoop& loop = EventLoop::current("sleep_for");
  loop.timers().update_now();
  sleep_until_ms(loop, loop.timers().ms_after(delay_ms(duration)), "sleep_for");
}

void sleep_until(std::chrono::steady_clock::time_point deadline) {
  EventLoop& loop = EventLoop::current("sleep_until");
  loop.timers().update_now();
  const std::uint64_t at_least = loop.now_ms() + 1;
  sleep_until_ms(loop, std::max(loop.timers().ms_of(deadline), at_least), "sleep_until");
}

std::chrono::steady_clock::time_point now() {
  return EventLoop::current("now").timers().now();
}

}  // namespace weft
