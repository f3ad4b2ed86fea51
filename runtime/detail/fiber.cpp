#include <cstdio>

#include <weft/ctx/detail/capture.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/switch.h>
#include <weft/runtime/detail/typed_fiber.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>

namespace weft::detail {
namespace {

// The function has returned or thrown: what the fiber still owns dies here, on its
// own stack and while it is in the lists, because user destructors may wait.
void settle(Fiber& self) noexcept {
  if (self.error != nullptr) {
    if (self.is_detached) {
      self.loop->uncaught(std::exchange(self.error, nullptr));
    } else {
      self.error_frame = FrameRef::share(self.execution.frame);
    }
  }
  if (self.is_detached) self.body->discard(self);
  FrameRef::adopt(std::exchange(self.execution.frame, nullptr));
}

void run_body(Fiber& self) noexcept {
  emit_before(self.resource.async_id());
  try {
    self.body->run(self);
  } catch (const Cancelled&) {
    self.was_cancelled = true;
  } catch (...) {
    self.error = std::current_exception();
  }
  settle(self);
}

[[noreturn]] void finish(Fiber& self) noexcept {
  EventLoop& loop = *self.loop;
  emit_promise_resolve(self.resource.async_id());
  self.state = Fiber::State::kEnded;
  if (self.joiner != nullptr) {
    self.joiner->wait->is_over = true;
    wake(*self.joiner);
  }
  emit_after(self.resource.async_id());
  ResourceAccess::end(self.resource);
  loop.ended(self);
  loop.leave_for_good(self);
}

void fiber_entry(boost::context::detail::transfer_t transfer) {
  Fiber& self = *EventLoop::current_or_null()->running();
  arrive(transfer, self.context);
  run_body(self);
  finish(self);
}

// The error of a fiber nobody joined, in the context it was thrown in.
void report_unjoined(Fiber& fiber) noexcept {
  if (fiber.loop == nullptr) {
    std::fprintf(stderr, "weft: a fiber failed and was never joined: %s\n",
                 describe_exception(fiber.error).c_str());
    return;
  }
  fiber.loop->call(fiber.resource, std::move(fiber.error_frame),
                   [&fiber] { std::rethrow_exception(std::exchange(fiber.error, nullptr)); });
}

}  // namespace

Fiber::Fiber(const Body& typed, StackMemory memory)
    : Runnable(true),
      body(&typed),
      loop(EventLoop::current_or_null()),
      resource("FIBER"),
      stack(memory) {}

FiberPlace take_fiber_place(std::size_t record_bytes, std::size_t stack_bytes) {
  constexpr std::size_t kLeast = 8 * 1024;  // for the function and what it calls
  EventLoop& loop = EventLoop::current("spawn");
  StackPool& pool = loop.stacks(stack_bytes == 0 ? loop.default_stack_bytes() : stack_bytes);
  if (record_bytes + kLeast > pool.usable_bytes()) [[unlikely]] {
    throw UsageError("spawn: what the function captures does not fit on a stack of " +
                     std::to_string(pool.usable_bytes()) +
                     " bytes; capture a pointer to it or raise stack_bytes");
  }
  const StackMemory stack = pool.acquire();
  sanitizer::unpoison(stack.low, stack.size());
  const auto record =
      (reinterpret_cast<std::uintptr_t>(stack.high) - record_bytes) & ~std::uintptr_t{63};
  return {stack, reinterpret_cast<void*>(record)};
}

void give_back(FiberPlace place) noexcept {
  place.stack.pool->release(place.stack);
}

void start(Fiber& fiber, FiberOptions options, SourceLocation spawned_at) {
  fiber.name = std::move(options.name);
  fiber.spawned_at = spawned_at;
  fiber.execution.frame = std::move(ResourceAccess::frame(fiber.resource)).release();
  fiber.execution.resource = &fiber.resource;
  fiber.execution.async_id = fiber.resource.async_id();
  fiber.execution.trigger_async_id = fiber.resource.trigger_async_id();
  fiber.context.execution = &fiber.execution;
  void* const top = &fiber;
  const auto bytes = static_cast<std::size_t>(static_cast<std::byte*>(top) - fiber.stack.low);
  sanitizer::prepare(fiber.context, fiber.stack.low, bytes);
  fiber.context.registers = boost::context::detail::make_fcontext(top, bytes, &fiber_entry);
  fiber.cancel_requested = fiber.loop->is_stopping();
  fiber.resumed_by = current_execution().async_id;
  fiber.loop->add(fiber);
  fiber.loop->make_ready(fiber);
}

void detach(Fiber& fiber) noexcept {
  if (!fiber.has_ended()) {
    fiber.is_detached = true;
    return;
  }
  if (fiber.error != nullptr && !fiber.was_joined) report_unjoined(fiber);
  if (fiber.loop != nullptr) {
    fiber.loop->free(fiber);
  } else {
    free_record(fiber);
  }
}

void free_record(Fiber& fiber) noexcept {
  const StackMemory stack = fiber.stack;
  fiber.body->destroy(fiber);
  stack.pool->release(stack);
}

void wake(Fiber& fiber) noexcept {
  if (fiber.state != Fiber::State::kParked) return;
  fiber.state = Fiber::State::kReady;
  fiber.resumed_by = current_execution().async_id;
  fiber.loop->make_ready(fiber);
}

void cancel(Fiber& fiber) noexcept {
  if (fiber.has_ended()) return;
  fiber.cancel_requested = true;
  Wait* const wait = fiber.wait;
  if (fiber.state != Fiber::State::kParked || wait == nullptr || wait->is_over) return;
  if (wait->abort != nullptr) std::exchange(wait->abort, nullptr)(*wait);
}

bool is_cancel_due(const Fiber& self) noexcept {
  return self.cancel_requested && thread_exceptions->uncaught == 0;
}

Fiber& fiber_that_may_wait(const char* what) {
  const EventLoop& loop = EventLoop::current(what);
  Fiber* const self = loop.running();
  if (!loop.may_wait()) [[unlikely]] {
    throw UsageError(std::string(what) +
                     ": a callback cannot wait; spawn() a fiber for it, or use the callback form");
  }
  if (thread_state.hooks_running != 0) [[unlikely]] {
    throw UsageError(std::string(what) + ": a hook cannot wait; record what is needed and return");
  }
  if (is_cancel_due(*self)) [[unlikely]]
    throw Cancelled();
  return *self;
}

void park(Fiber& self, Wait& wait) noexcept {
  self.wait = &wait;
  while (!wait.is_over) {
    self.state = Fiber::State::kParked;
    self.loop->leave(self);
  }
  self.wait = nullptr;
}

void wait_ended(Fiber& fiber) {
  if (fiber.has_ended()) return;
  Fiber& self = fiber_that_may_wait("join");
  if (&self == &fiber) throw UsageError("join: a fiber cannot join itself");
  if (fiber.joiner != nullptr) throw UsageError("join: another fiber joins this one already");
  struct JoinWait : Wait {
    Fiber* joined;
  };
  JoinWait wait{{"join", fiber.resource.async_id(),
                 [](Wait& aborted) {
                   Fiber& joined = *static_cast<JoinWait&>(aborted).joined;
                   aborted.is_over = true;
                   wake(*joined.joiner);
                 }},
                &fiber};
  fiber.joiner = &self;
  park(self, wait);
  fiber.joiner = nullptr;
  if (!fiber.has_ended()) throw Cancelled();
}

void raise_no_result(Fiber& fiber) {
  if (fiber.error != nullptr) std::rethrow_exception(fiber.error);
  uv_error(UV_ECANCELED, "join").raise();
}

}  // namespace weft::detail
