#include <cstdio>

#include <weft/ctx/detail/capture.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/group.h>
#include <weft/runtime/detail/leave.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/switch.h>
#include <weft/runtime/detail/typed_fiber.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>

namespace weft::detail {
namespace {

constexpr std::size_t kLeastStackBytes = std::size_t{8} * 1024;  // for a function and what it calls
constexpr std::size_t kPayloadAlignment = 64;

// Hands on the error of a fiber nobody will join, in the context it was thrown in.
// The fiber's events are over, so this is no call scope.
void report(Fiber& fiber) noexcept {
  const std::unique_ptr<Fiber::Failure> failure = std::move(fiber.failure);
  if (fiber.loop == nullptr) {
    std::fprintf(stderr, "weft: a fiber failed and was never joined: %s\n",
                 describe_exception(failure->error).c_str());
    return;
  }
  Execution failed = fiber.execution;
  failed.frame = std::move(failure->frame).release();
  Execution* const outer = std::exchange(thread_state.execution, &failed);
  fiber.loop->uncaught(failure->error);
  thread_state.execution = outer;
  FrameRef::adopt(failed.frame);
}

// The error of a fiber that nobody holds: inside its context, before its `after`.
void hand_on_failure(Fiber& self) noexcept {
  if (!self.failure->is_delivered) self.loop->uncaught(std::exchange(self.failure->error, nullptr));
  self.failure.reset();
}

// What the fiber still owns dies here, on its own stack and while it is in the
// lists, because user destructors may wait. A value may own the fiber's own Task.
void drop_owned(Fiber& self) noexcept {
  ResourceAccess::frame(self.resource).reset();
  while (self.execution.frame != nullptr) {
    FrameRef::adopt(std::exchange(self.execution.frame, nullptr));
  }
  if (!self.is_detached()) return;
  if (self.failure != nullptr) hand_on_failure(self);
  if (self.body->discard != nullptr) self.body->discard(self);
}

// The usual end: the fiber has the frame of its spawn, and others hold it too, so that
// no value dies. False: see drop_owned().
bool drop_shared_frame(Fiber& self) noexcept {
  Frame* const frame = self.execution.frame;
  FrameRef& spawned_in = ResourceAccess::frame(self.resource);
  if (frame != spawned_in.get()) return false;
  if (frame == nullptr) return true;
  if (!frame->release_two_of_many()) return false;
  self.execution.frame = nullptr;
  static_cast<void>(std::move(spawned_in).release());
  return true;
}

// The last events of the fiber and the end of what it owns.
[[gnu::noinline]] void end_body(Fiber& self) noexcept {
  const bool in_group = self.is_in_group();
  if (self.failure != nullptr && in_group) {
    self.failure->is_delivered = true;
    self.failure->frame.reset();  // not the last reference
    group_of(self).failed(self.failure->error);
  }
  if (self.is_detached() && self.failure != nullptr) hand_on_failure(self);
  if (thread_state.hook_mask != 0) {
    emit_promise_resolve(self.resource.async_id());
    emit_after(self.resource.async_id());
    self.attention |= Fiber::kEventsOver;
  }
  drop_owned(self);
  ResourceAccess::end(self.resource);
  if (in_group) group_of(self).remove(self);
}

// An end like any other, without a result.
[[gnu::noinline]] void end_cancelled(const Fiber& self) noexcept {
  if (self.is_in_group()) group_of(self).ended_cancelled();
}

void run_body(Fiber& self) noexcept {
  if (thread_state.hook_mask != 0) [[unlikely]] {
    self.attention &= static_cast<unsigned char>(~Fiber::kEmitEnter);  // the first time is here
    emit_before(self.resource.async_id());
  }
  try {
    self.body->run(self);
  } catch (const Cancelled&) {
    end_cancelled(self);
  } catch (...) {
    self.failure.reset(
        new Fiber::Failure{std::current_exception(), FrameRef::share(self.execution.frame)});
    self.is_ordinary = false;
  }
  const bool is_quiet = thread_state.hook_mask == 0 && self.end_duties == Fiber::EndDuties{} &&
                        drop_shared_frame(self);
  if (is_quiet) [[likely]] {
    ResourceAccess::end_unheard(self.resource);
  } else {
    end_body(self);
  }
  self.state = Fiber::State::kEnded;
}

// The bottom of every fiber's stack. Goes round once for each fiber that uses it.
void fiber_entry(boost::context::detail::transfer_t transfer) {
  Fiber& self = *runtime_thread.fiber;
  arrive(transfer, self.context);
  for (;;) {
    run_body(self);
    self.loop->leave_ended(self);
  }
}

[[noreturn, gnu::noinline]] void raise_too_large(Fiber& fiber) {
  const std::size_t usable_bytes = fiber.stack.pool->usable_bytes();
  free_record(fiber);
  throw UsageError("spawn: what the function captures does not fit on a stack of " +
                   std::to_string(usable_bytes) +
                   " bytes; capture a pointer to it or raise stack_bytes");
}

}  // namespace

inline Fiber::Fiber(EventLoop& of, const StackMemory& memory) noexcept
    : Runnable(true), loop(&of), stack(memory), resource("FIBER", ResourceAccess::Unborn{}) {
  execution.resource = &resource;
  context.execution = &execution;
}

namespace {

// A record at the top of a stack of its own.
[[gnu::noinline]] Fiber& make_record(EventLoop& loop, const SpawnOptions* options) {
  // First what may throw: nobody would give the stack back.
  std::string name = options == nullptr ? std::string() : options->name;
  StackPool& pool = loop.stacks(options == nullptr ? 0 : options->stack_bytes);
  const StackMemory stack = pool.acquire();
  sanitizer::unpoison(stack.low, stack.size());
  constexpr std::size_t kRecordBytes =
      (sizeof(Fiber) + kPayloadAlignment - 1) & ~(kPayloadAlignment - 1);
  auto* const record = ::new (static_cast<void*>(stack.high - kRecordBytes)) Fiber(loop, stack);
  loop.add(*record);
  record->name = std::move(name);
  return *record;
}

}  // namespace

void free_record(Fiber& fiber) noexcept {
  if (fiber.loop != nullptr) fiber.loop->remove(fiber);
  const StackMemory stack = fiber.stack;
  fiber.~Fiber();
  stack.pool->release(stack);
}

namespace {

// Gives the fiber a stack of its own to begin on, below its payload.
[[gnu::noinline]] void begin_stack(Fiber& fiber, std::size_t payload_bytes) {
  auto* const record = reinterpret_cast<std::byte*>(&fiber);
  std::byte* const top =
      record - ((payload_bytes + kPayloadAlignment - 1) & ~(kPayloadAlignment - 1));
  if (top < fiber.stack.low + kLeastStackBytes) raise_too_large(fiber);
  const auto bytes = static_cast<std::size_t>(top - fiber.stack.low);
  fiber.payload = top;
  sanitizer::prepare(fiber.context, fiber.stack.low, bytes);
  fiber.context.registers = boost::context::detail::make_fcontext(top, bytes, &fiber_entry);
}

[[gnu::noinline]] Fiber& make_fiber(EventLoop& loop, std::size_t payload_bytes,
                                    const SpawnOptions* options) {
  Fiber& fiber = make_record(loop, options);
  const bool is_small = payload_bytes <= kSmallPayloadBytes;
  fiber.is_ordinary = is_small && options == nullptr && !sanitizer::kAny;
  begin_stack(fiber, is_small ? kSmallPayloadBytes : payload_bytes);
  return fiber;
}

}  // namespace

namespace {

// Whether a fiber spawned now begins with nothing to call: no hook listens, the
// context is inherited as it is, and the loop is awake because a fiber runs.
bool begins_quietly(const EventLoop& loop) noexcept {
  const Frame* const frame = thread_state.execution->frame;
  return thread_state.hook_mask == 0 && runtime_thread.fiber != nullptr && !loop.is_stopping() &&
         (frame == nullptr || frame->is_plain());
}

template <bool kQuietly>
[[gnu::always_inline]] inline Fiber& begin(EventLoop& loop, Fiber& fiber, const Fiber::Body& body,
                                           const SourceLocation& spawned_at, FrameRef frame) {
  fiber.state = Fiber::State::kRunnable;
  fiber.attention = 0;
  fiber.end_duties = {};
  fiber.was_joined = false;
  fiber.body = &body;
  fiber.spawned_at = spawned_at;
  const AsyncId spawner = thread_state.execution->async_id;  // a loop runs, so there is one
  fiber.execution.async_id = ++thread_state.last_async_id;
  fiber.execution.trigger_async_id = fiber.resumed_by = spawner;
  fiber.execution.frame = FrameRef(frame).release();
  ResourceAccess::begin(fiber.resource, fiber.execution.async_id, spawner, std::move(frame));
  kQuietly ? loop.launch_quietly(fiber) : loop.launch(fiber);
  return fiber;
}

[[gnu::noinline]] Fiber& begin_slowly(Fiber& fiber, const Fiber::Body& body,
                                      const SourceLocation& spawned_at, FrameRef frame) {
  return begin<false>(*fiber.loop, fiber, body, spawned_at, std::move(frame));
}

[[gnu::noinline]] Fiber& start_slowly(EventLoop& loop, const Fiber::Body& body,
                                      const SourceLocation& spawned_at) {
  FrameRef frame = capture();  // may run user code, which may spawn or throw
  Fiber* const idle = loop.take_idle();
  if (idle == nullptr) [[unlikely]]
    return start_fiber(body, spawned_at, 0, nullptr);
  return begin_slowly(*idle, body, spawned_at, std::move(frame));
}

}  // namespace

Fiber& start_fiber(const Fiber::Body& body, const SourceLocation& spawned_at) {
  EventLoop* const loop = runtime_thread.loop;
  if (loop == nullptr || !loop->has_idle()) [[unlikely]] {
    return start_fiber(body, spawned_at, 0, nullptr);
  }
  if (!begins_quietly(*loop)) [[unlikely]]
    return start_slowly(*loop, body, spawned_at);
  return begin<true>(*loop, *loop->take_idle(), body, spawned_at,
                     FrameRef::share(thread_state.execution->frame));
}

[[gnu::noinline]] Fiber& start_fiber(const Fiber::Body& body, const SourceLocation& spawned_at,
                                     std::size_t payload_bytes, const SpawnOptions* options) {
  EventLoop& loop = EventLoop::current("spawn");
  FrameRef frame = capture();
  return begin_slowly(make_fiber(loop, payload_bytes, options), body, spawned_at, std::move(frame));
}

namespace {

[[gnu::noinline]] void detach_slowly(Fiber& fiber) noexcept {
  if (fiber.is_ordinary) {
    fiber.body->discard(fiber);
    return fiber.loop->keep_idle(fiber);
  }
  if (fiber.failure != nullptr && !fiber.was_joined && !fiber.failure->is_delivered) report(fiber);
  if (fiber.body->discard != nullptr) fiber.body->discard(fiber);
  free_record(fiber);
}

}  // namespace

void detach(Fiber& fiber) noexcept {
  if (fiber.joiner != nullptr) [[unlikely]]
    return fiber.add_duty(Fiber::kLeftToJoiner);
  if (!fiber.has_ended()) {
    fiber.add_duty(Fiber::kDetached);
    return;
  }
  if (!fiber.is_ordinary || fiber.body->discard != nullptr) return detach_slowly(fiber);
  fiber.loop->keep_idle(fiber);
}

void wake(Fiber& fiber) noexcept {
  wake_inline(fiber);
}

void raise_cannot_wait(const char* what) {
  EventLoop::current(what);
  if (thread_state.hooks_running != 0) {
    throw UsageError(std::string(what) + ": a hook cannot wait; record what is needed and return");
  }
  throw UsageError(std::string(what) +
                   ": a callback cannot wait; spawn() a fiber for it, or use the callback form");
}

[[gnu::noinline]] Fiber& check_may_wait(const char* what) {
  if (runtime_thread.fiber == nullptr || thread_state.hooks_running != 0) raise_cannot_wait(what);
  if (is_cancel_due_by_clock(*runtime_thread.fiber)) raise_cancelled(*runtime_thread.fiber);
  return *runtime_thread.fiber;
}

void park(Fiber& self, Wait& wait) noexcept {
  park_inline(self, wait);
}

void raise_unserved(const Wait& wait) {
  Fiber& self = *runtime_thread.fiber;
  if (wait.was_aborted() || is_cancel_due(self)) raise_cancelled(self);
  ended_by_force(wait.what).raise();
}

Error ended_by_force(const char* what) {
  return uv_error(UV_ECANCELED, what);
}

namespace {

void leave_join(Wait& wait);

struct JoinWait : Wait {
  explicit JoinWait(Fiber& fiber) noexcept : Wait("join", &leave_join), joined(&fiber) {
    is_for(fiber.resource);
  }

  Fiber* joined;  // null: left before it ended, and maybe gone
};

// The joiner touches the joined fiber no more: that may end, and go, before the joiner runs.
void leave_join(Wait& wait) {
  Fiber& joined = *std::exchange(static_cast<JoinWait&>(wait).joined, nullptr);
  Fiber& joiner = *std::exchange(joined.joiner, nullptr);
  leave_joined(joined);
  wait.is_over = true;
  wake(joiner);
}

[[noreturn, gnu::noinline]] void raise_join_cut(JoinWait& wait) {
  if (wait.joined != nullptr) {  // the run ended the wait by force
    wait.joined->joiner = nullptr;
    leave_joined(*wait.joined);
  }
  raise_unserved(wait);
}

// Errors: UsageError when `self` may not join `fiber`; null: whoever need not wait.
void check_may_join(const Fiber& fiber, const Fiber* self) {
  if (fiber.loop != runtime_thread.loop && runtime_thread.loop != nullptr) {
    throw UsageError("join: this task belongs to another loop; use Loop::post to get there");
  }
  if (self == &fiber) throw UsageError("join: a fiber cannot join itself");
  if (fiber.was_joined) throw UsageError("join: this task has been joined already");
  if (fiber.joiner != nullptr) throw UsageError("join: another fiber joins this one already");
}

}  // namespace

void leave_joined(Fiber& fiber) noexcept {
  if (!fiber.is_left_to_joiner()) return;
  fiber.remove_duty(Fiber::kLeftToJoiner);
  detach(fiber);
}

void end_joined(Fiber& fiber) noexcept {
  fiber.remove_duty(Fiber::kErrorTaken);
  // Dies last: it may own the Task.
  const FrameRef left = fiber.failure == nullptr ? FrameRef() : std::move(fiber.failure->frame);
  leave_joined(fiber);
}

bool drop_failed_context(Fiber& fiber) noexcept {
  if (!fiber.has_ended() || fiber.failure == nullptr || !fiber.failure->frame) return false;
  const FrameRef left = std::move(fiber.failure->frame);
  return true;
}

void wait_ended(Fiber& fiber) {
  if (fiber.has_ended()) return check_may_join(fiber, nullptr);
  Fiber& self = fiber_that_may_wait("join");
  if (&self == &fiber || fiber.joiner != nullptr || fiber.loop != self.loop) [[unlikely]]
    check_may_join(fiber, &self);
  JoinWait wait(fiber);
  fiber.joiner = &self;
  park_inline(self, wait);
  if (!wait.is_met) [[unlikely]]
    raise_join_cut(wait);
}

bool is_run_ending(const Fiber& self) noexcept {
  return self.loop->is_stopping();
}

void raise_no_task(const char* what) {
  throw UsageError(std::string(what) + ": this task was detached or moved from");
}

void raise_no_result(Fiber& fiber) {
  Fiber* const self = runtime_thread.fiber;
  const bool is_cancelled = self != nullptr && is_cancel_due(*self);
  // Its group delivers the error, and has cancelled the joiner if that is inside.
  if (is_cancelled && fiber.failure != nullptr && fiber.failure->is_delivered) {
    raise_cancelled(*self);
  }
  if (fiber.failure != nullptr) {
    fiber.add_duty(Fiber::kErrorTaken);
    std::rethrow_exception(fiber.failure->error);
  }
  // A stop cancels both at once: the joiner ends for its own sake, not for the other's.
  if (is_cancelled) raise_cancelled(*self);
  uv_error(UV_ECANCELED, "join").raise();
}

}  // namespace weft::detail
