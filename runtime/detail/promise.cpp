#include <cstdlib>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/promise.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/promise.h>

namespace weft {

BrokenPromise::BrokenPromise()
    : std::logic_error("promise: it was dropped before it was resolved or rejected") {}

namespace detail {
namespace {

void follow_now(PromiseCore& promise);

}  // namespace

void PromiseCore::run_job(Job& job, EventLoop& loop) noexcept {
  auto& promise = static_cast<PromiseCore&>(job);
  loop.call(promise.resource, [&promise] {
    promise.is_following ? follow_now(promise) : promise.type->react(promise);
  });
  release(promise);
}

// A chain of promises ends link by link, without recursion: the dead wait in `doomed`.
void destroy_chain(PromiseCore& promise) noexcept {
  promise.next = nullptr;
  Runnable* doomed = &promise;
  const auto let_go = [&doomed](PromiseCore* held) {
    if (held == nullptr || --held->references != 0) return;
    held->next = doomed;
    doomed = held;
  };
  while (doomed != nullptr) {
    auto& core = static_cast<PromiseCore&>(*doomed);
    doomed = core.next;
    // Only after the loop's end: a pending promise has somebody who settles it till then.
    for (Runnable* reaction = core.first; reaction != nullptr;) {
      auto& one = static_cast<PromiseCore&>(*std::exchange(reaction, reaction->next));
      one.other = nullptr;
      let_go(&one);
    }
    if (core.owns_other) let_go(core.other);
    let_go(core.type->drop(core));
  }
}

// --- life ---

void raise_other_loop(const char* what) {
  throw UsageError(std::string(what) +
                   ": this promise belongs to another loop or to one that has ended; use it on "
                   "its own loop's thread, through Loop::post()");
}
void raise_no_promise(const char* what) {
  throw UsageError(std::string(what) + ": this promise or future was moved from");
}
void raise_taken(const char* what) {
  throw UsageError(std::string(what) +
                   ": the promise's value cannot be copied and was taken already");
}
void raise_no_error() {
  throw UsageError("reject: there is no error; give one to reject with");
}

// A producer's Cancelled must not end the fiber that waits for it as if it were its own.
void raise_rejection(const PromiseCore& promise) {
  try {
    std::rethrow_exception(promise.error);
  } catch (const Cancelled&) {
  }
  uv_error(UV_ECANCELED, "await").raise();
}

void raise_no_loop() {
  EventLoop::current("Promise");  // throws
  std::abort();
}

void make_ready(PromiseCore& reaction, PromiseCore& parent) noexcept {
  reaction.own(retain(parent));
  runtime_thread.loop->add_job(reaction);
}

// --- waiting ---

namespace {

// A fiber that awaits, among the reactions of what it awaits. Lives on its stack.
struct PromiseWait : Wait, Runnable {
  PromiseWait(Fiber& fiber, PromiseCore& awaited)
      : Wait("await", &on_abort), Runnable(true), self(fiber), promise(awaited), link(awaited.end) {
    is_for(promise.resource);
    promise.link(*this);
  }
  PromiseWait(const PromiseWait&) = delete;
  PromiseWait& operator=(const PromiseWait&) = delete;
  ~PromiseWait() = default;

  // Of a promise that is pending.
  void unlink() noexcept {
    *link = next;
    if (next != nullptr && next->is_fiber) static_cast<PromiseWait*>(next)->link = link;
    if (promise.end == &next) promise.end = link;
    link = nullptr;
  }
  static void on_abort(Wait& wait) {
    auto& waiter = static_cast<PromiseWait&>(wait);
    waiter.unlink();
    waiter.finish();
  }
  void finish() noexcept {
    is_over = true;
    wake(self);
  }

  Fiber& self;
  PromiseCore& promise;
  Runnable** link;  // what points to this node; null: it is in no list
};

}  // namespace

void wait_settled(PromiseCore& promise) {
  Fiber& self = fiber_that_may_wait("await");
  if (promise.is_pending()) {
    PromiseWait waiter(self, promise);
    park(self, waiter);
    if (promise.is_pending()) {
      if (waiter.link != nullptr) waiter.unlink();  // the run ended the wait by force
      raise_unserved(waiter);
    }
  }
  promise.is_handled = true;
}

// --- settling ---

namespace {

// Holds a reference until it goes on.
class Held {
 public:
  explicit Held(PromiseCore& promise) noexcept : promise_(&promise) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (promise_ != nullptr) release(*promise_);
  }
  PromiseCore& operator*() const noexcept { return *promise_; }
  PromiseCore& pass_on() noexcept { return *std::exchange(promise_, nullptr); }

 private:
  PromiseCore* promise_;
};

// Reactions become ready in the order in which they came.
void settle(PromiseCore& promise, PromiseCore::State state) noexcept {
  emit_promise_resolve(promise.resource.async_id());
  promise.state = state;
  Runnable* reaction = std::exchange(promise.first, nullptr);
  if (reaction == nullptr) return;
  promise.end = &promise.first;
  promise.is_handled = true;
  while (reaction != nullptr) {
    Runnable& one = *std::exchange(reaction, reaction->next);
    if (one.is_fiber) {
      static_cast<PromiseWait&>(one).finish();
    } else {
      make_ready(static_cast<PromiseCore&>(one), promise);
    }
  }
}

void settle_rejected(PromiseCore& promise, std::exception_ptr error) noexcept {
  Held held(retain(promise));  // a hook, or a value of the old frame, may drop the last handle
  promise.error = std::move(error);
  settle(promise, PromiseCore::State::kRejected);
  if (promise.is_handled) return ResourceAccess::frame(promise.resource).reset();
  ResourceAccess::frame(promise.resource) = FrameRef::share(current_execution().frame);
  runtime_thread.loop->add_rejected(held.pass_on());
}

}  // namespace

void fulfil(PromiseCore& promise) noexcept {
  const Held held(retain(promise));
  settle(promise, PromiseCore::State::kFulfilled);
  ResourceAccess::frame(promise.resource).reset();
}

void reject(PromiseCore& promise, std::exception_ptr error) noexcept {
  if (std::exchange(promise.is_locked, true)) return;
  settle_rejected(promise, std::move(error));
}

void forward(PromiseCore& promise, PromiseCore& from) noexcept {
  promise.other = nullptr;  // it waits no more
  if (from.state == PromiseCore::State::kRejected) return settle_rejected(promise, from.error);
  promise.own(retain(from.other == nullptr ? from : *from.other));
  fulfil(promise);
}

void abandon(PromiseCore& promise) noexcept {
  const bool is_watched = promise.references > 1 || promise.has_reactions();
  if (!promise.is_locked && is_watched && is_of_this_loop(promise) &&
      EventLoop::current_or_null() != nullptr) {
    // Who waits or reacts is told. That nobody does is no error of anybody's.
    promise.is_handled = true;
    reject(promise, std::make_exception_ptr(BrokenPromise()));
  }
  release(promise);
}

// --- following another promise ---

namespace {

// A promise in between, which Node shows: it reacts to one promise and holds another.
class Between final : public PromiseCore {
  static void follow(PromiseCore& core) {
    auto& self = static_cast<Between&>(core);
    PromiseCore& followed = *std::exchange(self.other, nullptr);
    PromiseCore& target = *std::exchange(self.kept_, nullptr);
    forward(target, followed);
    self.is_locked = true;
    fulfil(self);
    release(target);
    release(followed);
  }
  static void restore(PromiseCore& core) {
    auto& self = static_cast<Between&>(core);
    PromiseCore& before = *std::exchange(self.other, nullptr);
    PromiseCore& kept = *std::exchange(self.kept_, nullptr);
    self.is_locked = true;
    forward(self, before.state == State::kRejected ? before : kept);
    release(kept);
    release(before);
  }
  static PromiseCore* drop(PromiseCore& core) noexcept {
    PromiseCore* const kept = static_cast<Between&>(core).kept_;
    drop_core<Between>(core);
    return kept;
  }

 public:
  // What a promise that follows another puts among the reactions of that: settles the
  // one it holds.
  static constexpr PromiseType kFollower{&follow, &drop};
  // The last step of finally: what came before it, which it holds, is its own outcome.
  static constexpr PromiseType kRestoring{&restore, &drop};

  Between(const PromiseType& of, std::uint32_t held, PromiseCore& kept) noexcept
      : PromiseCore(of, held), kept_(&retain(kept)) {}

 private:
  PromiseCore* kept_;  // an own reference, until it has reacted

  friend PromiseCore* drop_core<Between>(PromiseCore& core) noexcept;
};

// The job of a promise that was resolved with another, in the call scope.
void follow_now(PromiseCore& promise) {
  promise.is_following = false;
  PromiseCore& from = *std::exchange(promise.other, nullptr);
  try {
    FrameRef frame = capture();
    begin(make_core<Between>(Between::kFollower, 1U, promise), from, std::move(frame));
    promise.wait_for(from);
  } catch (...) {
    settle_rejected(promise, std::current_exception());
  }
  release(from);
}

}  // namespace

namespace {

// How far a circle is looked for. A chain that grows at its end asks each time.
constexpr int kCircleMax = 64;

void check_may_follow(const PromiseCore& promise, const PromiseCore& from, const char* what) {
  if (!is_of_this_loop(from)) raise_other_loop(what);
  const PromiseCore* at = &from;
  for (int i = 0; i < kCircleMax && at != &promise; ++i) {
    if (at == nullptr || !at->is_pending()) return;
    at = at->other;
  }
  if (at != &promise) return;
  throw UsageError(std::string(what) +
                   ": a promise cannot wait for its own future, nor for one that waits for it");
}

}  // namespace

void follow(PromiseCore& promise, PromiseCore& from) {
  Held held(from);
  if (promise.is_locked) return;
  check_may_follow(promise, from, "resolve");
  FrameRef frame = capture();  // may run user code, which may settle it
  if (promise.is_locked) return;
  promise.is_locked = promise.is_following = true;
  promise.own(held.pass_on());
  runtime_thread.loop->add_job(retain(promise));
  std::swap(ResourceAccess::frame(promise.resource), frame);  // the old one may run user code, too
}

void follow_after(PromiseCore& promise, PromiseCore* first, PromiseCore& kept) {
  if (first == nullptr) {
    auto& nothing = make_root<void>(1);
    first = &nothing;
    nothing.fulfil_with();
  }
  const Held held(*first);
  check_may_follow(promise, *held, "finally");
  FrameRef frame = capture();
  auto& restoring = make_core<Between>(Between::kRestoring, 2U, kept);
  begin(restoring, *held, std::move(frame));
  follow(promise, restoring);
}

// --- rejections nobody looks at ---

namespace {

// A fiber's Cancelled is an end like any other; and what a stop breaks is no news.
bool is_worth_a_report(const EventLoop& loop, const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Cancelled&) {
    return false;
  } catch (const BrokenPromise&) {
    return !loop.is_stopping();
  } catch (...) {
    return true;
  }
}

// As the promise and in the context of the rejection, without before and after (Node's rule).
void report(EventLoop& loop, PromiseCore& promise) noexcept {
  Execution rejecting;
  rejecting.frame = std::move(ResourceAccess::frame(promise.resource)).release();
  rejecting.resource = &promise.resource;
  rejecting.async_id = promise.resource.async_id();
  rejecting.trigger_async_id = promise.resource.trigger_async_id();
  Execution* const outer = std::exchange(thread_state.execution, &rejecting);
  loop.uncaught(promise.error, "unhandled rejection");
  thread_state.execution = outer;
  FrameRef::adopt(rejecting.frame);
}

}  // namespace

void report_rejected(EventLoop& loop, ReadyQueue& rejected, std::size_t count) noexcept {
  for (; count > 0; --count) {
    auto& promise = static_cast<PromiseCore&>(rejected.pop());
    if (!promise.is_handled && is_worth_a_report(loop, promise.error)) report(loop, promise);
    ResourceAccess::frame(promise.resource).reset();
    release(promise);
  }
}

}  // namespace detail
}  // namespace weft
