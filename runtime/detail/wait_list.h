// WaitList: the fibers that wait at one end of something, first come first served.
//
// A place in a list is a Waiter on the stack of the fiber that waits, so waiting
// allocates nothing; a select stands in several lists at once. Invariants:
//
// 1. A waiter is linked from before its fiber parks until somebody takes it out,
//    who has either served it or given it up. There is no third state, so nothing
//    that is handed over gets lost between two fibers.
// 2. Whoever serves one waiter of a select takes its others out of their lists in the
//    same call: no list ever holds a waiter whose wait is over.
// 3. A fiber that was served touches only its own stack: what it waited at may be gone
//    when it runs.
//
// Served fibers become ready in the order they were served.
#pragma once

#include <cstddef>

#include <weft/runtime/detail/fiber.h>

namespace weft::detail {

struct WaiterLink {
  WaiterLink* next = nullptr;
  WaiterLink* previous = nullptr;
};

// One place in one list.
struct Waiter : WaiterLink {
  enum class State : unsigned char {
    kLinked,
    kGivenUp,  // out of its list, and not served
    kServed,   // a value was handed over
    kClosed,   // there will be none
  };

  // `at`: where a value is to be taken from or put; the list's owner knows the type.
  Waiter(Fiber& fiber, void* at) noexcept : self(&fiber), value(at) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void unlink() noexcept {
    previous->next = next;
    next->previous = previous;
  }
  void give_up() noexcept {
    if (state != State::kLinked) return;
    unlink();
    state = State::kGivenUp;
  }
  bool is_served() const noexcept { return state >= State::kServed; }

  Fiber* self;
  void* value;
  Waiter* sibling = nullptr;  // all of one select make a ring; null: there is but one
  State state = State::kLinked;
};

[[noreturn]] void raise_not_their_loop(const char* what);

// Ends the wait of `waiter`, which somebody took out of its list.
void serve(Waiter& waiter, Waiter::State how) noexcept;

class WaitList {
 public:
  WaitList() noexcept : ends_{&ends_, &ends_} {}
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  bool is_empty() const noexcept { return ends_.next == &ends_; }
  // Errors: UsageError, which names `what`, when fibers of another loop wait here: all are
  //         one loop's, so the first stands for them.
  void check_loop(const char* what) const {
    if (!is_empty() && first().self->loop != runtime_thread.loop) [[unlikely]]
      raise_not_their_loop(what);
  }
  void push(Waiter& waiter) noexcept {
    waiter.next = &ends_;
    waiter.previous = ends_.previous;
    ends_.previous->next = &waiter;
    ends_.previous = &waiter;
  }
  // Of a list that is not empty; to be served by the caller.
  Waiter& pop() noexcept {
    Waiter& popped = first();
    popped.unlink();
    return popped;
  }
  // Serves all, in order.
  void serve_all(Waiter::State how) noexcept {
    while (!is_empty()) serve(pop(), how);
  }
  // Walks the list: for statistics.
  std::size_t size() const noexcept;

 private:
  Waiter& first() const noexcept { return static_cast<Waiter&>(*ends_.next); }

  WaiterLink ends_;  // the first and the last; itself when empty
};

// The running fiber, `self`, waits in `list` until it is served. Returns how.
// Errors: Cancelled, and as raise_unserved(); UsageError for fibers of another loop.
Waiter::State wait_in(WaitList& list, Fiber& self, const char* what, void* at);

// Throws std::errc::broken_pipe, as a stream does whose other end is gone.
[[noreturn]] void raise_closed(const char* what);

}  // namespace weft::detail
