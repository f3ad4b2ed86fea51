// Fiber: a stack, what runs on it, and how it waits.
//
// The record lives at the top of the fiber's own stack, with the payload (function
// and result) right below, so a parked fiber costs one page. It is a resource of
// type FIBER.
//
// An ordinary fiber that has ended stays as it is, its stack waiting in
// fiber_entry(), for the next spawn to continue it with a new payload.
//
// The wake protocol. All of it happens on the loop's thread:
//
// 1. A fiber that waits makes a Wait on its stack, starts the operation, and
//    parks until Wait::is_over. An operation may finish before the fiber parks;
//    then it never does.
// 2. Whoever ends the wait sets is_over and calls wake(). Waking a fiber that is
//    not parked does nothing, so a wake can come early or twice.
// 3. A cancellation that reaches the fiber (scope.h) sets kCancelRequested and asks
//    the Wait to abort. The fiber still parks until the operation has let go of it.
//    One that came while the operation began is found before the fiber parks.
// 4. Only a fiber itself ends it: it runs its function to the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/home.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/runtime/detail/ready_queue.h>
#include <weft/runtime/detail/stack_context.h>
#include <weft/runtime/detail/stack_pool.h>
#include <weft/runtime/result.h>
#include <weft/runtime/source_location.h>
#include <weft/runtime/spawn_options.h>

namespace weft::detail {

class EventLoop;
class Fiber;
struct Scope;
struct Holder;

// What runtime/ knows of the running thread, beside ctx's ThreadState.
struct RuntimeThread {
  EventLoop* loop = nullptr;
  // The fiber whose stack is current and which may wait: null on the loop's own
  // stack, and in a callback that runs on a fiber's.
  Fiber* fiber = nullptr;
  ExceptionState* exceptions = nullptr;  // the C++ runtime's, exchanged at each switch
  std::uint32_t source = 0;  // 1 + the number of the loop's ids' source; 0: no loop (home.h)
  bool is_pools = false;     // a thread of a pool: it never has a loop, but by run()
};
extern constinit thread_local RuntimeThread runtime_thread
    __attribute__((tls_model("initial-exec")));

// One wait of one fiber; lives on its stack. Small: it is written anew each time.
struct Wait {
  explicit Wait(const char* waits_for, void (*on_abort)(Wait& wait) = nullptr) noexcept
      : what(waits_for), abort(on_abort) {}

  // For reports: what is waited for. Shape: lives as long as the wait.
  void is_for(const AsyncResource& that) noexcept {
    about_ = About::kResource;
    resource_ = &that;
  }
  void is_for(const Holder& that) noexcept {
    about_ = About::kHolder;
    holder_ = &that;
  }
  // Null: not one resource.
  const AsyncResource* resource() const noexcept {
    return about_ == About::kResource ? resource_ : nullptr;
  }
  // What a fiber must let go of first (holder.h); null: nothing.
  const Holder* holder() const noexcept { return about_ == About::kHolder ? holder_ : nullptr; }

  // What `abort` is once it was called, which happens once.
  static void aborted(Wait& /*wait*/) noexcept {}
  bool was_aborted() const noexcept { return abort == &aborted; }

  const char* what;           // for reports: "read", "join"
  void (*abort)(Wait& wait);  // ends the operation early; null: it cannot
  bool is_over = false;
  bool is_met = false;  // what was waited for has come: of a join

 private:
  enum class About : unsigned char { kNothing, kResource, kHolder };

  About about_ = About::kNothing;
  union {
    const AsyncResource* resource_;
    const Holder* holder_;
  };
};

class Fiber : public Runnable {
 public:
  enum class State : unsigned char {
    kRunnable,  // running, or in the loop's ready queue
    kParked,    // in no queue; its Wait's operation wakes it
    kEnded,     // its function returned; the record waits for its Task to be dropped
    kIdle,      // ended and let go; in the loop's list of records for the next spawn
  };

  enum Attention : unsigned char {
    kCancelRequested = 1,  // a cancelled scope is seen from where it is (scope.h)
    kEmitEnter = 2,        // it was left or is entered while a hook listens
    kEventsOver = 4,       // its last `after` was emitted; only destructors run
    kSelfCancelled = 8,    // its outermost scope is cancelled; stays for good
    kAbortPending = 16,    // its wait is about to be aborted
    kUnderDeadline = 32,   // a scope around it has a deadline: it looks at the clock (scope.h)
  };

  enum EndDuties : unsigned char {  // bits
    kDetached = 1,                  // no Task refers to it: the record dies with the function
    kInGroup = 2,                   // it is a member of a task group: group_of()
    kLeftToJoiner = 4,              // no Task refers to it, but its joiner does
    kErrorTaken = 8,                // its joiner has the error, which needs no context any more
  };

  // What a typed fiber does (typed_fiber.h): run calls the function and keeps its
  // result; discard drops that, and is null where there is nothing to destroy.
  struct Body {
    void (*run)(Fiber& fiber);
    void (*discard)(Fiber& fiber) noexcept;
  };

  // What its function threw, and the context it did so in, until somebody joins. A context
  // that owns the Task would wait for itself: the end of the run cuts it off.
  struct Failure {
    std::exception_ptr error;
    FrameRef frame;
    bool is_delivered = false;  // its group has it
  };

  Fiber(EventLoop& of, const StackMemory& memory) noexcept;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() = default;

  bool has_ended() const noexcept { return state >= State::kEnded; }
  bool is_cancel_requested() const noexcept { return (attention & kCancelRequested) != 0; }
  bool is_detached() const noexcept { return (end_duties & kDetached) != 0; }
  bool is_in_group() const noexcept { return (end_duties & kInGroup) != 0; }
  bool is_left_to_joiner() const noexcept { return (end_duties & kLeftToJoiner) != 0; }
  void add_duty(EndDuties duty) noexcept { end_duties = EndDuties(end_duties | duty); }
  void remove_duty(EndDuties duty) noexcept { end_duties = EndDuties(end_duties & ~duty); }
  // The loop's and fiber.cpp's; nobody else writes them.
  State state = State::kRunnable;
  // What to look at when it runs again, as one byte: a switch tests it once.
  unsigned char attention = 0;
  EndDuties end_duties{};   // no plain byte, which the compiler must take for anything's alias
  bool was_joined = false;  // somebody took the result or the error
  // Its record and stack may be used again as they are: it was spawned without
  // options and with a small payload, did not fail, and its loop lives.
  bool is_ordinary = true;
  AsyncId resumed_by = 0;  // the resource whose callback made it ready last
  Wait* wait = nullptr;    // while parked
  // Its first words end the record's first cache line, which is all that a switch touches.
  StackContext context;
  EventLoop* loop;  // null once that is gone
  Execution execution;
  const Body* body = nullptr;
  void* payload = nullptr;  // the function and its result, below the record
  StackMemory stack;
  AsyncResource resource;
  Fiber* joiner = nullptr;  // in join() of this fiber, until it has taken the result
  // The innermost scope: its own, else that of the group it was spawned in, else null.
  Scope* scope = nullptr;
  Fiber* previous_member = nullptr;  // in its group
  Fiber* next_member = nullptr;
  Fiber* next_to_visit = nullptr;  // the lists of scope.cpp
  Fiber* next_to_abort = nullptr;
  std::unique_ptr<Failure> failure;
  SourceLocation spawned_at;
  std::string name;
  Fiber* previous = nullptr;  // among the loop's records
  Fiber* following = nullptr;
  Fiber* next_idle = nullptr;
};

// Room for a payload below every ordinary record.
inline constexpr std::size_t kSmallPayloadBytes = 256;

// A ready fiber with room for a payload, which the caller puts in place at once: a
// small one, or one of `payload_bytes`. `options` may be null.
// Errors: UsageError outside of a loop, or when the payload does not fit; std::bad_alloc.
Fiber& start_fiber(const Fiber::Body& body, const SourceLocation& spawned_at);
Fiber& start_fiber(const Fiber::Body& body, const SourceLocation& spawned_at,
                   std::size_t payload_bytes, const SpawnOptions* options);

// The record and its stack go.
void free_record(Fiber& fiber) noexcept;
// Its Task is gone: frees it, at once, when it ends, or when its joiner is done with it.
void detach(Fiber& fiber) noexcept;
// A fiber whose loop has ended is nobody's.
inline void require_own_loop(const Fiber& fiber, const char* what) noexcept {
  if (fiber.loop != runtime_thread.loop && fiber.loop != nullptr) [[unlikely]]
    die_elsewhere(what);
}
// Cancels the fiber's outermost scope.
void cancel(Fiber& fiber) noexcept;
void wake(Fiber& fiber) noexcept;
// Waits until `fiber` has ended; its record stays until the Joining is gone that follows.
// Errors: UsageError when it was joined before, or is by another fiber; Cancelled.
void wait_ended(Fiber& fiber);
// What nobody refers to any more after its join, or after a join that was cut short.
void leave_joined(Fiber& fiber) noexcept;
// After a join: also lets go of the context of an error that was taken.
void end_joined(Fiber& fiber) noexcept;
// Drops the context of an error that nobody has taken; false where there is none. What dies
// with it may be the fiber's Task: the error is reported then.
bool drop_failed_context(Fiber& fiber) noexcept;

// While the running fiber takes the result of one that has ended.
class Joining {
 public:
  explicit Joining(Fiber& fiber) noexcept : fiber_(fiber) { fiber.was_joined = true; }
  Joining(const Joining&) = delete;
  Joining& operator=(const Joining&) = delete;
  ~Joining() {
    fiber_.joiner = nullptr;
    if ((fiber_.end_duties & (Fiber::kLeftToJoiner | Fiber::kErrorTaken)) != 0) [[unlikely]]
      end_joined(fiber_);
  }

 private:
  Fiber& fiber_;
};

// The running fiber, which may wait here and now.
// Errors: UsageError outside of a fiber or inside a hook; Cancelled.
Fiber& check_may_wait(const char* what);
inline Fiber& fiber_that_may_wait(const char* what) {
  Fiber* const self = runtime_thread.fiber;
  if (self == nullptr || (thread_state.hooks_running | self->attention) != 0) [[unlikely]] {
    return check_may_wait(what);
  }
  return *self;
}
// Parks `self`, the running fiber, until `wait` is over.
void park(Fiber& self, Wait& wait) noexcept;
// Aborts `wait`, for which `self` is about to park, when a cancellation came while the
// operation began: nobody aborts the wait of a fiber that runs. Whether it is over.
bool ends_before_park(Fiber& self, Wait& wait) noexcept;
// Throws what `wait`, which is over, ends with on the running fiber when nobody served it:
// Cancelled; inside a destructor or a shield, while the run ends, ended_by_force().
[[noreturn]] void raise_unserved(const Wait& wait);
// std::errc::operation_canceled, of the wait that is named.
Error ended_by_force(const char* what);
// Misuse of a Task.
[[noreturn]] void raise_no_task(const char* what);
// Throws the UsageError of fiber_that_may_wait().
[[noreturn]] void raise_cannot_wait(const char* what);
// Whether Cancelled is to be thrown at `self`: not while an exception unwinds its
// stack, where a second one would end the process.
bool is_cancel_due(Fiber& self) noexcept;
// The same where the loop may have stood still: a deadline that has passed counts.
bool is_cancel_due_by_clock(Fiber& self) noexcept;
// Throws Cancelled at `self`, the running fiber.
[[noreturn]] void raise_cancelled(Fiber& self);
// Whether the loop of `self` ends: waits may end by force.
bool is_run_ending(const Fiber& self) noexcept;

}  // namespace weft::detail
