// switch_stack: the one place that leaves a stack.
//
// It exchanges, and whatever is per stack goes on this list or nowhere:
//
// 1. the registers: Boost.Context's jump_fcontext;
// 2. the exception state behind __cxa_get_globals(). Without it two fibers that
//    wait inside catch blocks rethrow each other's exception. Boost does this
//    from 1.88 on, rightly from 1.89; with fcontext it is ours on every version;
// 3. the current Execution: frame, ids, open call scopes;
// 4. what ASan and TSan believe the stack to be.
//
// Signal masks, locale, errno and floating-point modes belong to the thread.
#pragma once

#include <boost/context/detail/fcontext.hpp>

#include <weft/ctx/detail/thread_state.h>
#include <weft/runtime/detail/sanitizer.h>
#include <weft/runtime/detail/stack_context.h>

namespace weft::detail {

// The thread's exception state; fibers never change threads, so its address holds.
// Set by bind_switch_to_thread().
extern constinit thread_local ExceptionState* thread_exceptions
    __attribute__((tls_model("initial-exec")));

void bind_switch_to_thread() noexcept;

// Completes a switch on the stack it arrived at.
inline void arrive(boost::context::detail::transfer_t transfer, StackContext& here) noexcept {
  auto& left = *static_cast<StackContext*>(transfer.data);
  left.registers = transfer.fctx;
  sanitizer::arrived(here, left);
}

// Leaves the running stack, `from`, for `to`; returns when somebody switches back.
inline void switch_stack(StackContext& from, StackContext& to) noexcept {
  from.exceptions = *thread_exceptions;
  *thread_exceptions = to.exceptions;
  thread_state.execution = to.execution;
  sanitizer::leaving(from, to);
  arrive(boost::context::detail::jump_fcontext(to.registers, &from), from);
}

// Leaves the running stack for good.
[[noreturn]] inline void leave_stack(StackContext& from, StackContext& to) noexcept {
  *thread_exceptions = to.exceptions;
  thread_state.execution = to.execution;
  sanitizer::leaving_for_good(from, to);
  boost::context::detail::jump_fcontext(to.registers, &from);
  __builtin_unreachable();
}

}  // namespace weft::detail
