#include <csignal>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/stack_overflow.h>
#include <weft/runtime/detail/switch.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>

namespace weft::detail {
namespace {

constinit thread_local EventLoop* thread_loop __attribute__((tls_model("initial-exec"))) = nullptr;

// Node's bound: a queue of destroys this long does not wait for the check phase.
constexpr std::size_t kDestroysMax = 16384;

uv_handle_t* as_handle(auto* handle) noexcept {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

EventLoop* EventLoop::current_or_null() noexcept {
  return thread_loop;
}

EventLoop& EventLoop::current(const char* what) {
  if (thread_loop == nullptr) [[unlikely]] {
    throw UsageError(std::string(what) +
                     ": no loop runs on this thread; call it from inside weft::run()");
  }
  return *thread_loop;
}

EventLoop::EventLoop(uv_loop_t* uv, RunOptions options, Clock clock)
    : uv_(uv == nullptr ? &own_uv_ : uv),
      options_(std::move(options)),
      clock_(clock),
      outer_execution_(&current_execution()),
      budget_(options_.resume_budget),
      immediates_(*this),
      timers_(*this),
      remote_(std::make_shared<RemoteQueue>(*this)) {
  if (uv == nullptr) uv_check(uv_loop_init(&own_uv_), "run");
  uv_update_time(uv_);
  if (clock == Clock::kVirtual) timers_.use_virtual_time();
  HookTable::of_this_thread().set_error_policy(options_.hook_errors);
  open_handles();
  bind_switch_to_thread();
  watch_for_overflow();
  context_.execution = &execution_;
  sanitizer::adopt_thread_stack(context_);
  thread_state.execution = &execution_;
  thread_loop = this;
}

EventLoop::~EventLoop() {
  close_own_handles();
  while (closed_handles_ < own_handles_.size()) uv_run(uv_, UV_RUN_ONCE);
  if (uv_ == &own_uv_) {
    const bool closed = uv_loop_close(&own_uv_) == 0;
    if (!closed) report_open_handles(&own_uv_);
    WEFT_CHECK(closed);
  }
  for (Fiber* held = fibers_; held != nullptr; held = held->following) held->loop = nullptr;
  thread_loop = nullptr;
  thread_state.execution = outer_execution_;
}

void EventLoop::open(uv_handle_t* handle, bool referenced) noexcept {
  handle->data = this;
  if (!referenced) uv_unref(handle);
  own_handles_.push_back(handle);
}

void EventLoop::open_handles() {
  own_handles_.reserve(8);
  uv_must(uv_prepare_init(uv_, &prepare_));
  uv_must(uv_check_init(uv_, &check_));
  uv_must(uv_idle_init(uv_, &idle_));
  open(as_handle(&prepare_), false);
  open(as_handle(&check_), false);
  open(as_handle(&idle_), true);
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* h) { static_cast<EventLoop*>(h->data)->on_prepare(); });
  uv_check_start(&check_, [](uv_check_t* h) { static_cast<EventLoop*>(h->data)->on_check(); });
  timers_.open();
  open(timers_.handle(), false);
  remote_->open();
  open(remote_->handle(), false);
  if (!options_.stop_on_interrupt) return;
  for (const int i : {0, 1}) {
    uv_must(uv_signal_init(uv_, &interrupts_[i]));
    open(as_handle(&interrupts_[i]), false);
    uv_signal_start(
        &interrupts_[i],
        [](uv_signal_t* h, int) { static_cast<EventLoop*>(h->data)->stop(nullptr); },
        i == 0 ? SIGINT : SIGTERM);
  }
}

void EventLoop::close_own_handles() noexcept {
  for (uv_handle_t* const handle : own_handles_) {
    handle->data = this;
    uv_close(handle, [](uv_handle_t* h) { ++static_cast<EventLoop*>(h->data)->closed_handles_; });
  }
}

// --- fibers ---

void EventLoop::add(Fiber& fiber) noexcept {
  fiber.following = fibers_;
  if (fibers_ != nullptr) fibers_->previous = &fiber;
  fibers_ = &fiber;
  ++fiber_count_;
}

void EventLoop::free(Fiber& fiber) noexcept {
  (fiber.previous != nullptr ? fiber.previous->following : fibers_) = fiber.following;
  if (fiber.following != nullptr) fiber.following->previous = fiber.previous;
  free_record(fiber);
}

StackPool& EventLoop::stacks(std::size_t stack_bytes) {
  for (const auto& pool : stack_pools_) {
    if (pool->usable_bytes() - stack_bytes < 4096) return *pool;  // rounded up to pages
  }
  stack_pools_.emplace_back(new StackPool(stack_bytes, best_stack_guards(), protect_budget()));
  return *stack_pools_.back();
}

// The stack to go on with: the next fiber's, or the loop's own.
StackContext& EventLoop::next_stack() noexcept {
  Runnable* const next = ready_.front();
  if (next == nullptr || !next->is_fiber || budget_ == 0) {
    running_ = nullptr;
    return context_;
  }
  --budget_;
  ready_.pop();
  running_ = static_cast<Fiber*>(next);
  running_->state = Fiber::State::kRunning;
  return running_->context;
}

void EventLoop::leave(Fiber& self) noexcept {
  if (thread_state.hook_mask != 0) [[unlikely]]
    emit_leave(self.execution);
  StackContext& to = next_stack();
  if (running_ != &self) switch_stack(self.context, to);
  if (thread_state.hook_mask != 0) [[unlikely]]
    emit_enter(self.execution);
}

void EventLoop::leave_for_good(Fiber& self) noexcept {
  ended_ = self.context;
  StackContext& to = next_stack();
  if (self.is_detached) free(self);
  leave_stack(ended_, to);
}

// --- the turn ---

void EventLoop::wake_up() noexcept {
  if (!uv_is_active(as_handle(&idle_))) uv_idle_start(&idle_, [](uv_idle_t*) {});
}

void EventLoop::update_idle() noexcept {
  if (has_work_left()) {
    wake_up();
  } else {
    uv_idle_stop(&idle_);
  }
}

bool EventLoop::has_work_left() const noexcept {
  return !ready_.is_empty() || !ticks_.empty() || immediates_.has_referenced() ||
         (clock_ == Clock::kVirtual && timers_.has_referenced());
}

void EventLoop::add_tick(std::unique_ptr<Tick> tick) {
  ticks_.push_back(std::move(tick));
  if (depth_ == 0 && running_ == nullptr) [[unlikely]]
    wake_up();
}

void EventLoop::add_microtask(std::unique_ptr<Microtask> task) noexcept {
  make_ready(*task.release());
}

void EventLoop::run_tick() noexcept {
  const std::unique_ptr<Tick> tick = std::move(ticks_.front());
  ticks_.pop_front();
  call(tick->resource, [&tick] { tick->callback(); });
}

// Runs microtasks and fibers; false when the budget ended before the queue.
bool EventLoop::run_ready() noexcept {
  while (Runnable* const next = ready_.front()) {
    if (budget_ == 0) return false;
    if (next->is_fiber) {
      switch_stack(context_, next_stack());
      continue;
    }
    --budget_;
    ready_.pop();
    const std::unique_ptr<Microtask> task(static_cast<Microtask*>(next));
    call(task->resource, [&task] { task->callback(); });
  }
  return true;
}

void EventLoop::drain() noexcept {
  quiet_turns_ = 0;
  if (draining_) return;
  draining_ = true;
  do {
    while (!ticks_.empty()) run_tick();
  } while (run_ready() && !ticks_.empty());
  if (thread_state.hooks != nullptr && thread_state.hooks->destroys() >= kDestroysMax) {
    drain_destroys();
  }
  draining_ = false;
}

// Before poll: what the caller's own libuv callbacks made ready runs here.
void EventLoop::on_prepare() noexcept {
  if (has_work_left()) drain();
  update_idle();
}

void EventLoop::on_check() noexcept {
  budget_ = options_.resume_budget;
  drain_destroys();
  if (!ready_.is_empty() || !ticks_.empty()) drain();
  if (!immediates_.is_empty()) immediates_.run();
  if (clock_ == Clock::kVirtual) advance_virtual_clock();
  update_idle();
}

// Two quiet turns in a row: whatever was on its way over loopback has arrived.
void EventLoop::advance_virtual_clock() noexcept {
  const bool busy = !ready_.is_empty() || !ticks_.empty() || !immediates_.is_empty() ||
                    uv_->active_reqs.count > 0;
  if (busy || ++quiet_turns_ < 3) return;
  const std::uint64_t next_ms = timers_.next_event_ms();
  if (next_ms == TimerWheel::kNever) return;
  timers_.jump_to(next_ms);
  timers_.run_due();
}

std::uint64_t EventLoop::now_ms() const noexcept {
  return timers_.now_ms();
}

// --- the run ---

void EventLoop::run() {
  // The main fiber's first slice is the main script: ticks come right after it.
  budget_ = 1;
  run_ready();
  budget_ = options_.resume_budget;
  drain();
  update_idle();
  if (!stopping_) run_turns();
  finish_turns();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

void EventLoop::run_turns() {
  for (;;) {
    const bool alive = uv_run(uv_, UV_RUN_DEFAULT) != 0;
    if (stopping_) return;
    if (alive) return;  // the caller's own uv_stop()
    drain_destroys();
    drain();
    update_idle();
    if (uv_loop_alive(uv_)) continue;
    if (fiber_count_ > 0 && !has_unreferenced_wakers()) {
      stop(std::make_exception_ptr(Deadlock("deadlock: every fiber waits, nothing can wake one\n" +
                                            describe_waiting_fibers())));
    }
    return;
  }
}

bool EventLoop::has_unreferenced_wakers() const noexcept {
  for (Handle* handle = handles_; handle != nullptr; handle = handle->following_) {
    if (handle->is_active()) return true;
  }
  return !timers_.is_empty() || !immediates_.is_empty();
}

void EventLoop::stop(std::exception_ptr error) noexcept {
  if (error_ == nullptr) error_ = std::move(error);
  uv_stop(uv_);
  if (std::exchange(stopping_, true)) return;
  for (Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) cancel(*fiber);
  for (Handle* handle = handles_; handle != nullptr; handle = handle->following_) handle->close();
  timers_.clear_all();
  immediates_.clear_all();
}

// Nothing of ours may be left. Fibers that end may start new work, which is ended in turn.
void EventLoop::finish_turns() noexcept {
  stop(nullptr);
  for (;;) {
    budget_ = options_.resume_budget;
    drain();
    drain_destroys();
    timers_.clear_all();
    immediates_.clear_all();
    if (fiber_count_ == 0) {
      for (Handle* handle = handles_; handle != nullptr; handle = handle->following_) {
        handle->close();
      }
    }
    const bool idle = handles_ == nullptr && ready_.is_empty() && ticks_.empty();
    if (idle && fiber_count_ == 0 && remote_->try_end()) break;
    update_idle();
    if (idle && (uv_ != &own_uv_ || !uv_loop_alive(uv_))) end_stuck_waits();
    uv_run(uv_, idle ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  }
  drain_destroys();
}

// Waits that cannot be aborted and that nothing is left to end.
void EventLoop::end_stuck_waits() noexcept {
  for (Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->state != Fiber::State::kParked) continue;
    fiber->wait->is_over = true;
    wake(*fiber);
  }
}

void EventLoop::uncaught(std::exception_ptr error) noexcept {
  ++depth_;
  if (options_.on_uncaught) {
    try {
      options_.on_uncaught(error);
      error = nullptr;
    } catch (...) {
      error = std::current_exception();
    }
  }
  if (error != nullptr) {
    report_uncaught(*this, error);
    stop(std::move(error));
  }
  --depth_;
}

// --- handles ---

void EventLoop::add(Handle& handle) noexcept {
  handle.following_ = handles_;
  if (handles_ != nullptr) handles_->previous_ = &handle;
  handles_ = &handle;
}

void EventLoop::remove(Handle& handle) noexcept {
  (handle.previous_ != nullptr ? handle.previous_->following_ : handles_) = handle.following_;
  if (handle.following_ != nullptr) handle.following_->previous_ = handle.previous_;
}

}  // namespace weft::detail
