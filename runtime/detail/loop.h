// EventLoop: one libuv loop, and what runs on it.
//
// A turn is libuv's: timers, pending, prepare, poll, check, close. Whatever calls
// back goes through call(), and when the outermost call returns, drain() runs the
// ticks, then microtasks and ready fibers in FIFO order, until both are empty or
// the turn's budget of resumes is spent. Invariants:
//
// 1. User code runs only inside call() or on a fiber.
// 2. runtime_thread.fiber is the running fiber, while it may wait.
// 3. A fiber that leaves switches straight to the next ready fiber; to the loop's
//    stack only when a job is next, nothing is, or the budget is spent.
// 4. What is left over keeps the idle handle active, so that poll does not block.
// 5. The loop ends with no fiber, no handle and no posted function left.
#pragma once

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <uv.h>

#include <weft/ctx/detail/call_scope.h>
#include <weft/ctx/detail/resource_access.h>
#include <weft/runtime/active_resources.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/heard_signals.h>
#include <weft/runtime/detail/ready_queue.h>
#include <weft/runtime/detail/remote_queue.h>
#include <weft/runtime/detail/stack_overflow.h>
#include <weft/runtime/detail/stack_pool.h>
#include <weft/runtime/detail/tasks.h>
#include <weft/runtime/detail/timers.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/run.h>

namespace weft::detail {

class Handle;
struct TestWatch;

enum class Clock {
  kReal,
  kVirtual,  // time stands still while anything can run, then jumps to the next timer
};

class EventLoop {
 public:
  // `uv` null: a loop of our own. Options without on_uncaught leave errors to stop().
  EventLoop(uv_loop_t* uv, RunOptions options, Clock clock);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  // The running thread's loop.
  // Errors: UsageError, which names `what`, when there is none.
  static EventLoop& current(const char* what);
  static EventLoop* current_or_null() noexcept;

  // Runs until nothing is left; rethrows what stopped it.
  void run();
  // The main function has returned or thrown: who waits now waits for nobody's result.
  void main_ended() noexcept { has_main_ = false; }

  // The one way from libuv into user code: `fn` runs as `resource` in `frame`.
  template <typename F>
  void call(AsyncResource& resource, FrameRef frame, F&& fn) noexcept {
    {
      const InCallback no_waiting(*this);
      const CallScope scope(resource, std::move(frame));
      try {
        fn();
      } catch (...) {
        uncaught(std::current_exception());
      }
    }
    if (depth_ == 0 && runtime_thread.fiber == nullptr) drain();
  }
  template <typename F>
  void call(AsyncResource& resource, F&& fn) noexcept {
    call(resource, ResourceAccess::frame(resource), std::forward<F>(fn));
  }

  // As call(resource, [&] { wake(fiber); }); where no hook listens, nobody sees the scope.
  void wake_as(AsyncResource& resource, Fiber& fiber) noexcept {
    if (thread_state.hook_mask != 0) [[unlikely]]
      return wake_seen(resource, fiber);
    if (fiber.state != Fiber::State::kParked) return;
    fiber.state = Fiber::State::kRunnable;
    fiber.resumed_by = resource.async_id();
    if (depth_ != 0 || runtime_thread.fiber != nullptr) return ready_.push(fiber);
    if (is_quiet()) return run_alone(fiber);
    ready_.push(fiber);
    drain();
  }

  // While one lives, the code that runs may not wait.
  class InCallback {
   public:
    explicit InCallback(EventLoop& loop) noexcept
        : loop_(loop), fiber_(std::exchange(runtime_thread.fiber, nullptr)) {
      ++loop_.depth_;
    }
    InCallback(const InCallback&) = delete;
    InCallback& operator=(const InCallback&) = delete;
    ~InCallback() {
      --loop_.depth_;
      runtime_thread.fiber = fiber_;
    }

   private:
    EventLoop& loop_;
    Fiber* fiber_;
  };

  // Whether the running code is neither a callback of ours nor a fiber.
  bool is_outermost() const noexcept { return depth_ == 0 && runtime_thread.fiber == nullptr; }

  // Fibers.
  void make_ready(Runnable& item) noexcept {
    ready_.push(item);
    if (runtime_thread.fiber == nullptr && depth_ == 0) [[unlikely]]
      wake_up();
  }
  void leave(Fiber& self) noexcept;  // leave.h
  void yield(Fiber& self);           // leave.h
  // Returns when the stack is continued for another fiber.
  void leave_ended(Fiber& self) noexcept;  // leave.h
  void add(Fiber& fiber) noexcept {
    fiber.following = fibers_;
    if (fibers_ != nullptr) fibers_->previous = &fiber;
    fibers_ = &fiber;
    ++record_count_;
  }
  void remove(Fiber& fiber) noexcept {
    (fiber.previous != nullptr ? fiber.previous->following : fibers_) = fiber.following;
    if (fiber.following != nullptr) fiber.following->previous = fiber.previous;
    --record_count_;
  }
  bool has_idle() const noexcept { return idle_records_ != nullptr; }
  // A record for the next spawn; null when none is kept.
  Fiber* take_idle() noexcept {
    Fiber* const fiber = idle_records_;
    if (fiber != nullptr) idle_records_ = fiber->next_idle;
    return fiber;
  }
  // The record of an ordinary fiber that ended and was let go.
  void keep_idle(Fiber& fiber) noexcept {
    fiber.state = Fiber::State::kIdle;
    fiber.next_idle = std::exchange(idle_records_, &fiber);
  }
  void launch(Fiber& fiber) noexcept {
    if (stopping_) [[unlikely]]
      fiber.attention |= Fiber::kCancelRequested | Fiber::kSelfCancelled;
    ++fiber_count_;
    make_ready(fiber);
  }
  void launch_quietly(Fiber& fiber) noexcept {
    ++fiber_count_;
    ready_.push(fiber);
  }
  StackPool& stacks(std::size_t stack_bytes);  // 0: the default
  // The fiber whose stack, or whose guard below it, holds `address`; null when none does.
  const Fiber* find_by_stack(const void* address) const noexcept;

  // Ticks, microtasks and immediates (tasks.h), timers (timers.h).
  void add_tick(std::unique_ptr<Tick> tick);
  // Runs once, in its turn; `job` is handed over.
  void add_job(Job& job) noexcept {
    ++jobs_;
    if (direct_ != 0) stop_direct();
    make_ready(job);
  }
  // A rejected promise, handed over, that nobody looks at so far. Reported unless
  // somebody does before ticks, microtasks and ready fibers have run dry, or, where
  // they never do, before a whole turn is over.
  void add_rejected(Job& promise) noexcept;
  Immediates& immediates() noexcept { return immediates_; }
  Timers& timers() noexcept { return timers_; }
  // A number below `bound`, from the sequence that RunOptions::select_seed begins.
  std::uint64_t pick(std::uint64_t bound) noexcept;
  // The time of this turn, milliseconds since the loop began.
  std::uint64_t now_ms() const noexcept;
  // Runs ticks, then microtasks and ready fibers; what runs meanwhile does not begin another.
  void drain() noexcept;
  // Something of ours needs the loop to keep turning.
  void wake_up() noexcept;

  // Handles of io/.
  uv_loop_t* uv() noexcept { return uv_; }
  HeardSignals& signals() noexcept { return signals_; }
  void add(Handle& handle) noexcept;
  void remove(Handle& handle) noexcept;

  // Works (work.h): the run waits for them, and virtual time stands still.
  void begin_request() noexcept { ++requests_; }
  void end_request() noexcept { --requests_; }
  // Whether a work that is started still has its end: not once the loop closes its own handles.
  bool takes_works() const noexcept { return !closing_; }

  // Ends everything in order: cancels every fiber, closes every handle, drops the
  // timers. run() rethrows `error`, if any; the first counts.
  void stop(std::exception_ptr error) noexcept;
  bool is_stopping() const noexcept { return stopping_; }
  // Hands an error nobody can catch to the handler of the options, else stops.
  // `what` heads the report that is printed then.
  void uncaught(std::exception_ptr error, const char* what = "uncaught error") noexcept;

  const std::shared_ptr<RemoteQueue>& remote() const noexcept { return remote_; }

  // For reports (report.cpp).
  struct Known {
    std::string text;  // "FIBER 7 'conn' (server.cpp:41)"; empty when it is gone
    AsyncId trigger = 0;
  };
  Known find(AsyncId id) const;
  // The running resource and what led to it, a line each.
  std::string describe_origin() const;
  // The fibers that wait: on what, started where; a line each.
  std::string describe_waiting_fibers() const;
  std::vector<ActiveResource> active_resources();

  // For test kits (loop_testing.cpp).

  // From now on the next of what is ready is drawn from `seed`, and so are select()'s picks.
  void shuffle(std::uint64_t seed) noexcept;
  // `watch` learns what is left when the run ends, and outlives the loop.
  void set_watch(TestWatch& watch) noexcept {
    watch_ = &watch;
    is_tested_ = true;
  }
  // Parks the running fiber until nothing else can run before time moves on.
  void wait_all_parked();

 private:
  friend class RemoteQueue;

  StackPool& add_stack_pool(std::size_t usable_bytes);
  int open_handles() noexcept;
  [[noreturn]] void give_up(int code);
  void open(uv_handle_t* handle, bool referenced) noexcept;
  void close_own_handles() noexcept;
  // Whether drain() would find nothing at all.
  bool is_quiet() const noexcept { return ready_.is_empty() && ticks_.empty() && budget_ > 0; }
  bool has_drain_work() const noexcept {
    return !ready_.is_empty() || !ticks_.empty() || !rejected_.is_empty();
  }
  void wake_seen(AsyncResource& resource, Fiber& fiber) noexcept;
  void run_alone(Fiber& fiber) noexcept;
  void run_job() noexcept;
  void report_overdue() noexcept;
  void run_tick() noexcept;
  bool run_ready() noexcept;
  Fiber* next_fiber() noexcept;
  Fiber* next_shuffled() noexcept;
  void go_to(Fiber& self, Fiber& next) noexcept;  // leave.h
  void leave_slowly(Fiber& self) noexcept;
  void leave_to_loop(Fiber& self) noexcept;
  void leave_for_good(Fiber& self, StackContext& to) noexcept;
  static void came_back(Fiber& self) noexcept;
  void on_interrupt() noexcept;
  static void yield_slowly(Fiber& self);
  static void came_back_from_yield(Fiber& self);
  void stop_direct() noexcept { budget_ += std::max(std::exchange(direct_, 0), 0); }
  void on_prepare() noexcept;
  void on_check() noexcept;
  void update_idle() noexcept;
  void trim_records() noexcept;
  void refill_budget() noexcept;
  bool has_work_left() const noexcept;
  bool has_unreferenced_wakers() const noexcept;
  void run_turns();
  void finish_turns() noexcept;
  void close_all_handles() noexcept;
  void reset_frame() noexcept;
  bool has_late_work() const noexcept;
  bool drop_failed_contexts() noexcept;
  void end_stuck_waits() noexcept;
  void end_quiet_turn() noexcept;
  void advance_virtual_clock() noexcept;
  bool must_turn_for_tests() const noexcept { return is_tested_ && is_test_waiting(); }
  bool is_test_waiting() const noexcept;
  bool has_ended_watch() const noexcept;
  void end_watch() noexcept;
  std::string describe_leftovers();

  uv_loop_t own_uv_;  // unused when the caller owns the loop
  uv_loop_t* uv_;
  RunOptions options_;
  std::uint64_t random_state_ = options_.select_seed;
  Clock clock_;
  IdSource ids_;
  Execution execution_;  // of the loop's own stack: no resource, the empty frame
  Execution* outer_execution_;

  ReadyQueue ready_;
  StackContext context_;  // the loop's own stack while a fiber runs
  unsigned depth_ = 0;    // of call()
  // Resumes left in this turn. Those in direct_ may go straight from fiber to fiber;
  // it is 0 while a job is ready or a hook is enabled, and always when shuffled.
  int direct_ = 0;
  int budget_;
  std::size_t jobs_ = 0;     // in the ready queue
  ReadyQueue rejected_;      // promises whose rejection nobody looks at so far
  std::size_t overdue_ = 0;  // of those: they were there when the turn began
  bool is_shuffled_ = false;
  bool is_tested_ = false;  // it had a watch, or a fiber in wait_all_parked()
  bool draining_ = false;
  unsigned quiet_turns_ = 0;  // without a callback, in a row
  bool has_main_ = true;      // the main function has not ended
  bool stopping_ = false;
  bool closing_ = false;  // our own handles: the last step
  std::exception_ptr error_;

  std::vector<std::unique_ptr<StackPool, RetireStackPool>>
      stack_pools_;                // one a size, the default's first
  Fiber* fibers_ = nullptr;        // all records: also of those that have ended
  Fiber* idle_records_ = nullptr;  // records for the next spawns, the warmest first
  std::size_t record_count_ = 0;
  std::size_t fiber_count_ = 0;  // that have not ended
  StackContext ended_;           // of the fiber that ended last
  Handle* handles_ = nullptr;
  std::size_t requests_ = 0;
  std::deque<std::unique_ptr<Tick>> ticks_;
  Immediates immediates_;
  Timers timers_;
  std::shared_ptr<RemoteQueue> remote_;  // shared with Loop handles on any thread

  TestWatch* watch_ = nullptr;  // a test's; null: none
  ParkingLot quiet_lot_;        // fibers in wait_all_parked()

  OverflowWatch overflow_watch_;
  HeardSignals signals_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_idle_t idle_;
  uv_signal_t interrupts_[2];              // SIGINT, SIGTERM; opened with stop_on_interrupt
  std::vector<uv_handle_t*> own_handles_;  // the above, the timers', the remote queue's
  std::size_t closed_handles_ = 0;         // of those
};

}  // namespace weft::detail
