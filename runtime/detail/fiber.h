// Fiber: a stack, what runs on it, and how it waits.
//
// The record lives at the top of the fiber's own stack, so a parked fiber costs
// one page. It is a resource of type FIBER.
//
// The wake protocol. All of it happens on the loop's thread:
//
// 1. A fiber that waits makes a Wait on its stack, starts the operation, and
//    parks until Wait::is_over. An operation may finish before the fiber parks;
//    then it never does.
// 2. Whoever ends the wait sets is_over and calls wake(). Waking a fiber that is
//    not parked does nothing, so a wake can come early or twice.
// 3. cancel() sets cancel_requested for good and asks the Wait to abort. The
//    fiber still parks until the operation has let go of it.
// 4. Only a fiber itself ends it: it runs its function to the end.
#pragma once

#include <cstddef>
#include <exception>
#include <string>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/runtime/detail/ready_queue.h>
#include <weft/runtime/detail/stack_context.h>
#include <weft/runtime/detail/stack_pool.h>
#include <weft/runtime/source_location.h>

namespace weft::detail {

class EventLoop;
class Fiber;

// One wait of one fiber; lives on its stack.
struct Wait {
  const char* what;                     // for reports: "read", "join"
  AsyncId on = 0;                       // the resource waited for; 0: not one resource
  void (*abort)(Wait& wait) = nullptr;  // ends the operation early; null: it cannot
  bool is_over = false;
};

class Fiber : public Runnable {
 public:
  enum class State : unsigned char {
    kReady,    // in the loop's ready queue; runs in its turn
    kRunning,  // the loop's running fiber
    kParked,   // in no queue; its Wait's operation wakes it
    kEnded,    // its function returned; the record waits for its Task to be dropped
  };

  // What a typed fiber does: run calls the function and keeps its result,
  // discard drops that, destroy ends the record.
  struct Body {
    void (*run)(Fiber& fiber);
    void (*discard)(Fiber& fiber) noexcept;
    void (*destroy)(Fiber& fiber) noexcept;
  };

  Fiber(const Body& body, StackMemory stack);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  bool has_ended() const noexcept { return state == State::kEnded; }

  // The loop's and fiber.cpp's; nobody else writes them.
  State state = State::kReady;
  bool cancel_requested = false;
  bool was_cancelled = false;  // ended by letting Cancelled pass
  bool is_detached = false;    // no Task refers to it: the record dies with the function
  bool was_joined = false;     // somebody took the result or the error
  const Body* body;
  EventLoop* loop;  // null once that is gone
  StackContext context;
  Execution execution;
  AsyncResource resource;
  AsyncId resumed_by = 0;   // the resource whose callback made it ready last
  Wait* wait = nullptr;     // null unless parked
  Fiber* joiner = nullptr;  // parked in join() of this fiber
  StackMemory stack;
  std::exception_ptr error;   // what its function threw
  FrameRef error_frame;       // where, for the uncaught handler; set while nobody joined
  Fiber* previous = nullptr;  // among the loop's fibers
  Fiber* following = nullptr;
  std::string name;
  SourceLocation spawned_at;

 protected:
  ~Fiber() = default;
};

struct FiberOptions {
  std::string name = {};        // for reports; default: where it was spawned
  std::size_t stack_bytes = 0;  // 0: the loop's default
};

// Memory for a record of `record_bytes` at the top of a fresh stack.
// Errors: UsageError outside of a loop; std::bad_alloc.
struct FiberPlace {
  StackMemory stack;
  void* record;
};
FiberPlace take_fiber_place(std::size_t record_bytes, std::size_t stack_bytes);
void give_back(FiberPlace place) noexcept;

// Makes a new fiber ready.
void start(Fiber& fiber, FiberOptions options, SourceLocation spawned_at);
// Its Task is gone: frees it, at once or when it ends.
void detach(Fiber& fiber) noexcept;
void free_record(Fiber& fiber) noexcept;
void cancel(Fiber& fiber) noexcept;
void wake(Fiber& fiber) noexcept;
// Waits until `fiber` has ended.
void wait_ended(Fiber& fiber);

// The running fiber, which may wait here and now.
// Errors: UsageError outside of a fiber or inside a hook; Cancelled.
Fiber& fiber_that_may_wait(const char* what);
// Parks `self`, the running fiber, until `wait` is over.
void park(Fiber& self, Wait& wait) noexcept;
// Whether Cancelled is to be thrown at `self`: not while an exception unwinds its
// stack, where a second one would end the process.
bool is_cancel_due(const Fiber& self) noexcept;

}  // namespace weft::detail
