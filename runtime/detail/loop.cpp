#include <algorithm>
#include <csignal>

#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/error.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/fd_table.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/leave.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/promise.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/detail/switch.h>
#include <weft/runtime/detail/test_watch.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/ticks.h>

namespace weft::detail {
namespace {

// Node's bound: a queue of destroys this long does not wait for the check phase.
constexpr std::size_t kDestroysMax = 16384;

int budget_of(const RunOptions& options) noexcept {
  return static_cast<int>(std::clamp(options.resume_budget, 1U, 1U << 30));
}

uv_handle_t* as_handle(auto* handle) noexcept {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

constinit thread_local RuntimeThread runtime_thread __attribute__((tls_model("initial-exec")));

EventLoop* EventLoop::current_or_null() noexcept {
  return runtime_thread.loop;
}

namespace {

[[noreturn, gnu::noinline]] void raise_no_loop(const char* what) {
  if (runtime_thread.is_pools) {
    throw UsageError(std::string(what) +
                     ": a function that offload() runs cannot wait and has no loop; do this behind "
                     "offload(), or hand it to the loop with Loop::post");
  }
  throw UsageError(std::string(what) +
                   ": no loop runs on this thread; call it from inside weft::run()");
}

}  // namespace

EventLoop& EventLoop::current(const char* what) {
  if (runtime_thread.loop == nullptr) [[unlikely]]
    raise_no_loop(what);
  return *runtime_thread.loop;
}

EventLoop::EventLoop(uv_loop_t* uv, RunOptions options, Clock clock)
    : uv_(uv == nullptr ? &own_uv_ : uv),
      options_(std::move(options)),
      clock_(clock),
      outer_execution_(&current_execution()),
      budget_(budget_of(options_)),
      immediates_(*this),
      timers_(*this),
      remote_(std::make_shared<RemoteQueue>(*this)) {
  // First what may throw: nothing would close the loop again.
  add_stack_pool(StackPool::size_class(options_.stack_bytes));
  own_handles_.reserve(8);
  HookTable::of_this_thread().set_error_policy(options_.hook_errors);
  if (uv == nullptr) uv_check(uv_loop_init(&own_uv_), "run");
  grow_fd_table(uv_backend_fd(uv_));
  uv_update_time(uv_);
  if (clock == Clock::kVirtual) timers_.use_virtual_time();
  if (const int code = open_handles(); code < 0) give_up(code);
  context_.execution = &execution_;
  sanitizer::adopt_thread_stack(context_);
  thread_state.execution = &execution_;
  const AsyncId source = thread_state.last_async_id >> kLoopNumberShift;
  runtime_thread = {this, nullptr, exceptions_of_thread(), static_cast<std::uint32_t>(source + 1)};
  thread_state.hooks_changed = [] { runtime_thread.loop->stop_direct(); };
  thread_state.fail_later = [](const std::exception_ptr& error) {
    next_tick([error] { std::rethrow_exception(error); });
  };
}

EventLoop::~EventLoop() {
  if (!closing_) finish_turns();  // the run was never reached
  if (uv_ == &own_uv_) {
    const bool closed = uv_loop_close(&own_uv_) == 0;
    if (!closed) report_open_handles(&own_uv_);
    WEFT_CHECK(closed);
  }
  while (Fiber* const fiber = take_idle()) free_record(*fiber);
  for (Fiber* held = fibers_; held != nullptr; held = held->following) {
    held->loop = nullptr;
    held->is_ordinary = false;
  }
  runtime_thread = {};
  thread_state.hooks_changed = nullptr;
  thread_state.fail_later = nullptr;
  reset_frame();
  thread_state.execution = outer_execution_;
}

void EventLoop::open(uv_handle_t* handle, bool referenced) noexcept {
  handle->data = this;
  if (!referenced) uv_unref(handle);
  own_handles_.push_back(handle);
}

// First what cannot fail. Returns libuv's code.
int EventLoop::open_handles() noexcept {
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
  if (const int code = remote_->open(); code < 0) return code;
  open(remote_->handle(), false);
  if (!options_.stop_on_interrupt) return 0;
  for (const int i : {0, 1}) {
    if (const int code = uv_signal_init(uv_, &interrupts_[i]); code < 0) return code;
    open(as_handle(&interrupts_[i]), false);
    const auto interrupted = [](uv_signal_t* h, int) {
      static_cast<EventLoop*>(h->data)->on_interrupt();
    };
    const int signal = i == 0 ? SIGINT : SIGTERM;
    const int code = signals_.hear(
        signal, [&] { return uv_signal_start(&interrupts_[i], interrupted, signal); });
    if (code < 0) return code;
  }
  return 0;
}

// The next of either has its default effect again, also where the loop's thread is stuck:
// who asks twice does not want to wait.
void EventLoop::on_interrupt() noexcept {
  for (uv_signal_t& interrupt : interrupts_) uv_must(uv_signal_stop(&interrupt));
  stop(nullptr);
}

// The loop cannot begin: closes what is open. In a caller's loop its own handles turn, too.
void EventLoop::give_up(int code) {
  close_own_handles();
  while (closed_handles_ < own_handles_.size()) uv_run(uv_, UV_RUN_ONCE);
  if (uv_ == &own_uv_) uv_must(uv_loop_close(uv_));
  uv_error(code, "run").raise();
}

void EventLoop::close_own_handles() noexcept {
  closing_ = true;
  for (uv_handle_t* const handle : own_handles_) {
    handle->data = this;
    uv_close(handle, [](uv_handle_t* h) { ++static_cast<EventLoop*>(h->data)->closed_handles_; });
  }
}

// --- fibers ---

// One pool for each power of two: few, however many sizes a program asks for.
StackPool& EventLoop::stacks(std::size_t stack_bytes) {
  if (stack_bytes == 0) return *stack_pools_.front();
  const std::size_t usable_bytes = StackPool::size_class(stack_bytes);
  for (const auto& pool : stack_pools_) {
    if (pool->usable_bytes() == usable_bytes) return *pool;
  }
  return add_stack_pool(usable_bytes);
}

StackPool& EventLoop::add_stack_pool(std::size_t usable_bytes) {
  std::unique_ptr<StackPool, RetireStackPool> pool(
      new StackPool(usable_bytes, best_stack_guards()));
  return *stack_pools_.emplace_back(std::move(pool));
}

const Fiber* EventLoop::find_by_stack(const void* address) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    const auto low = reinterpret_cast<std::uintptr_t>(fiber->stack.low);
    const auto high = reinterpret_cast<std::uintptr_t>(fiber->stack.high);
    if (at >= low - StackPool::kGuardBytes && at < high) return fiber;
  }
  return nullptr;
}

// Takes the fiber to go on with; null when the loop's own stack is next: for a
// microtask, because nothing is ready, or because the budget is spent.
Fiber* EventLoop::next_fiber() noexcept {
  stop_direct();
  if (is_shuffled_) [[unlikely]]
    return next_shuffled();
  const Runnable* const next = ready_.front();
  if (next == nullptr || !next->is_fiber || budget_ <= 0) return nullptr;
  --budget_;
  auto& fiber = static_cast<Fiber&>(ready_.pop());
  if (thread_state.hook_mask != 0) {
    if ((fiber.attention & Fiber::kEventsOver) == 0) fiber.attention |= Fiber::kEmitEnter;
  } else if (jobs_ == 0) {
    direct_ = std::exchange(budget_, 0);
  }
  return &fiber;
}

void EventLoop::leave_slowly(Fiber& self) noexcept {
  if (thread_state.hook_mask != 0 && (self.attention & Fiber::kEventsOver) == 0) {
    emit_leave(self.execution);
  }
  Fiber* const next = next_fiber();
  if (next != &self) {
    runtime_thread.fiber = next;
    switch_stack(self.context, next == nullptr ? context_ : next->context,
                 *runtime_thread.exceptions);
  }
  if (self.attention != 0) came_back(self);
}

void EventLoop::came_back(Fiber& self) noexcept {
  if ((self.attention & Fiber::kEmitEnter) == 0) return;
  self.attention &= static_cast<unsigned char>(~Fiber::kEmitEnter);
  emit_enter(self.execution);
}

void EventLoop::yield_slowly(Fiber& self) {
  if (thread_state.hooks_running != 0) raise_cannot_wait("yield");
  self.loop->ready_.push(self);
  self.loop->leave_slowly(self);
  if (is_cancel_due_by_clock(self)) raise_cancelled(self);
}

void EventLoop::came_back_from_yield(Fiber& self) {
  came_back(self);
  if (is_cancel_due_by_clock(self)) raise_cancelled(self);
}

// The record, and the stack below it, may be somebody else's before we have left.
void EventLoop::leave_for_good(Fiber& self, StackContext& to) noexcept {
  ended_ = self.context;
  if (self.is_detached()) detach(self);
  leave_stack(ended_, to, *runtime_thread.exceptions);
}

// --- the turn ---

void EventLoop::wake_up() noexcept {
  // libuv would link a closing handle into the caller's loop again.
  if (closing_ || uv_is_active(as_handle(&idle_))) return;
  uv_idle_start(&idle_, [](uv_idle_t*) {});
}

void EventLoop::update_idle() noexcept {
  timers_.update_reference();
  if (has_work_left()) {
    wake_up();
  } else {
    uv_idle_stop(&idle_);
  }
}

bool EventLoop::has_work_left() const noexcept {
  return has_drain_work() || immediates_.has_referenced() ||
         (clock_ == Clock::kVirtual && timers_.has_referenced()) || must_turn_for_tests();
}

void EventLoop::add_tick(std::unique_ptr<Tick> tick) {
  ticks_.push_back(std::move(tick));
  if (depth_ == 0 && runtime_thread.fiber == nullptr) [[unlikely]]
    wake_up();
}

void EventLoop::add_rejected(Job& promise) noexcept {
  rejected_.push(promise);
  if (depth_ == 0 && runtime_thread.fiber == nullptr) [[unlikely]]
    wake_up();
}

void EventLoop::run_tick() noexcept {
  const std::unique_ptr<Tick> tick = std::move(ticks_.front());
  ticks_.pop_front();
  call(tick->resource, [&tick] { tick->callback(); });
}

[[gnu::noinline]] void EventLoop::run_job() noexcept {
  --jobs_;
  Job& job = static_cast<Job&>(ready_.pop());
  job.run(job, *this);
}

// Runs jobs and fibers; false when the budget ended before the queue.
bool EventLoop::run_ready() noexcept {
  while (!ready_.is_empty()) {
    if (Fiber* const next = next_fiber()) {
      runtime_thread.fiber = next;
      switch_stack(context_, next->context, *runtime_thread.exceptions);
      continue;
    }
    if (budget_ <= 0) return false;
    --budget_;
    run_job();
  }
  return true;
}

void EventLoop::refill_budget() noexcept {
  direct_ = 0;
  budget_ = budget_of(options_);
}

void EventLoop::wake_seen(AsyncResource& resource, Fiber& fiber) noexcept {
  call(resource, FrameRef::share(fiber.execution.frame), [&fiber] { wake(fiber); });
}

// drain() with one fiber that is ready, without the queue.
void EventLoop::run_alone(Fiber& fiber) noexcept {
  --budget_;
  runtime_thread.fiber = &fiber;
  switch_stack(context_, fiber.context, *runtime_thread.exceptions);
  quiet_turns_ = 0;
  if (has_drain_work()) drain();
}

void EventLoop::drain() noexcept {
  quiet_turns_ = 0;
  if (draining_) return;
  draining_ = true;
  for (;;) {
    do {
      while (!ticks_.empty()) run_tick();
    } while (run_ready() && !ticks_.empty());
    while (!ticks_.empty()) run_tick();  // the budget is the fibers': no tick outlives a drain
    if (!ready_.is_empty() || rejected_.is_empty()) break;
    report_rejected(*this, rejected_, rejected_.size());
    overdue_ = 0;
  }
  if (thread_state.hooks != nullptr && thread_state.hooks->destroys() >= kDestroysMax) {
    drain_destroys();
  }
  draining_ = false;
}

// A fiber that yields for ever keeps the queue from running dry, not its errors secret.
[[gnu::noinline]] void EventLoop::report_overdue() noexcept {
  report_rejected(*this, rejected_, overdue_);
  overdue_ = rejected_.size();
}

// Lets go of records beyond those worth keeping, the coldest, a batch at a time.
void EventLoop::trim_records() noexcept {
  if (record_count_ - fiber_count_ < 2 * StackPool::kWarmMax) return;
  Fiber* last_kept = idle_records_;
  for (std::size_t i = 1; i < StackPool::kWarmMax && last_kept != nullptr; ++i) {
    last_kept = last_kept->next_idle;
  }
  if (last_kept == nullptr) return;
  Fiber* cold = std::exchange(last_kept->next_idle, nullptr);
  while (cold != nullptr) free_record(*std::exchange(cold, cold->next_idle));
}

// What enter_with in a callback of the caller's own left behind.
void EventLoop::reset_frame() noexcept {
  FrameRef::adopt(std::exchange(execution_.frame, nullptr));
}

// Before poll: what the caller's own libuv callbacks made ready runs here.
void EventLoop::on_prepare() noexcept {
  reset_frame();
  if (has_drain_work()) drain();
  update_idle();
}

void EventLoop::on_check() noexcept {
  reset_frame();
  if (!rejected_.is_empty()) [[unlikely]]
    report_overdue();
  refill_budget();
  trim_records();
  drain_destroys();
  if (has_drain_work()) drain();
  if (!immediates_.is_empty()) immediates_.run();
  if (clock_ == Clock::kVirtual || must_turn_for_tests()) end_quiet_turn();
  update_idle();
}

// Two quiet turns in a row: whatever was on its way over loopback has arrived.
void EventLoop::end_quiet_turn() noexcept {
  const bool busy = !ready_.is_empty() || !ticks_.empty() || !immediates_.is_empty() ||
                    uv_->active_reqs.count > 0 || requests_ > 0;
  if (busy || ++quiet_turns_ < 3) return;
  if (!quiet_lot_.is_empty()) {
    quiet_lot_.unpark_all();
    drain();
  } else if (has_ended_watch() && !timers_.has_referenced()) {
    end_watch();
  } else if (clock_ == Clock::kVirtual) {
    advance_virtual_clock();
  }
}

void EventLoop::advance_virtual_clock() noexcept {
  const std::uint64_t next_ms = timers_.next_event_ms();
  if (next_ms == TimerWheel::kNever) return;
  timers_.jump_to(next_ms);
  timers_.run_due();
}

// splitmix64, which takes any seed. The bias of the remainder is 2^-60 for a few cases.
std::uint64_t EventLoop::pick(std::uint64_t bound) noexcept {
  std::uint64_t mixed = random_state_ += 0x9e37'79b9'7f4a'7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
  return (mixed ^ (mixed >> 31)) % bound;
}

std::uint64_t EventLoop::now_ms() const noexcept {
  return timers_.now_ms();
}

// --- the run ---

void EventLoop::run() {
  // The main fiber's first slice is the main script: ticks come right after it.
  budget_ = 1;
  direct_ = 0;
  run_ready();
  refill_budget();
  drain();
  update_idle();
  if (!stopping_) run_turns();
  finish_turns();
  if (error_ == nullptr) return;
  note_printed(error_);
  std::rethrow_exception(std::exchange(error_, nullptr));
}

void EventLoop::run_turns() {
  for (;;) {
    const bool alive = uv_run(uv_, UV_RUN_DEFAULT) != 0;
    if (stopping_) return;
    if (alive) return;  // the caller's own uv_stop()
    // libuv does not poll for a loop that nothing keeps alive.
    const bool has_posted = remote_->run_posted();
    drain_destroys();
    drain();
    if (stopping_) return;
    update_idle();
    if (has_posted || uv_loop_alive(uv_)) continue;  // what ran may have posted in turn
    // What is unreferenced keeps no run alive, but main's end would be its result.
    const bool may_be_woken = has_unreferenced_wakers();
    if (fiber_count_ > 0 && (has_main_ || !may_be_woken)) {
      const Deadlock deadlock(
          std::string(may_be_woken
                          ? "deadlock: main waits, and only what is unreferenced could wake it\n"
                          : "deadlock: every fiber waits, nothing can wake one\n") +
          describe_waiting_fibers());
      report(deadlock);
      stop(std::make_exception_ptr(deadlock));
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
  const InCallback no_drain(*this);  // fibers must not come and go while the lists are walked
  if (error_ == nullptr) error_ = std::move(error);
  uv_stop(uv_);
  if (std::exchange(stopping_, true)) return;
  for (Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) cancel(*fiber);
  close_all_handles();
  timers_.clear_all();
  immediates_.clear_all();
  remote_->stop_waits();
}

void EventLoop::close_all_handles() noexcept {
  for (Handle* handle = handles_; handle != nullptr; handle = handle->following_) handle->close();
}

// Nothing of ours may be left. Fibers that end may start new work, which is ended in turn.
void EventLoop::finish_turns() noexcept {
  if (watch_ != nullptr && !stopping_) end_watch();
  stop(nullptr);
  for (;;) {
    refill_budget();
    if (!closing_) remote_->run_posted();
    drain();
    drain_destroys();
    timers_.clear_all();
    immediates_.clear_all();
    close_all_handles();
    // A work that runs cannot be stopped, and the loop does not close before it ends.
    const bool idle = handles_ == nullptr && !has_drain_work() && requests_ == 0;
    if (idle && fiber_count_ == 0) {
      if (has_late_work() || drop_failed_contexts()) continue;
      if (!closing_ && remote_->try_end()) close_own_handles();
      if (closing_ && closed_handles_ == own_handles_.size()) return;
    }
    update_idle();
    if (idle && (uv_ != &own_uv_ || !uv_loop_alive(uv_))) end_stuck_waits();
    uv_run(uv_, UV_RUN_ONCE);
  }
}

// What was dropped just now may have started more.
bool EventLoop::has_late_work() const noexcept {
  return !timers_.is_empty() || !immediates_.is_empty() ||
         (thread_state.hooks != nullptr && thread_state.hooks->has_destroys());
}

// Errors that nobody has taken are told in their context as long as the run lasts.
bool EventLoop::drop_failed_contexts() noexcept {
  for (Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (drop_failed_context(*fiber)) return true;  // the record may be gone
  }
  return false;
}

// Waits that cannot be aborted and that nothing is left to end.
void EventLoop::end_stuck_waits() noexcept {
  for (Fiber* fiber = fibers_; fiber != nullptr; fiber = fiber->following) {
    if (fiber->state != Fiber::State::kParked) continue;
    fiber->wait->is_over = true;
    wake(*fiber);
  }
}

void EventLoop::uncaught(std::exception_ptr error, const char* what) noexcept {
  const InCallback no_waiting(*this);
  if (options_.on_uncaught) {
    try {
      options_.on_uncaught(error);
      error = nullptr;
    } catch (...) {
      error = std::current_exception();
    }
  }
  if (error != nullptr) {
    report_uncaught(*this, error, what);
    stop(std::move(error));
  }
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
