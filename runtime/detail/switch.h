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

// The thread's exception state. Fibers never change threads, so its address holds.
ExceptionState* exceptions_of_thread() noexcept;

// Completes a switch on the stack it arrived at.
inline void arrive(boost::context::detail::transfer_t transfer, StackContext& here) noexcept {
  auto& left = *static_cast<StackContext*>(transfer.data);
  left.registers = transfer.fctx;
  sanitizer::arrived(here, left);
}

// What each way of leaving does first.
[[gnu::always_inline]] inline void exchange(StackContext& from, StackContext& to,
                                            ExceptionState& thread) noexcept {
  from.exceptions = thread;
  thread = to.exceptions;
  thread_state.execution = to.execution;
}

// jump_fcontext, entered by a jump. It leaves by a jump too, so with a call the
// processor's stack of return addresses would be off by one after each switch, and
// every return on the stack arrived at mispredicted (8 ns each). Needs
// -mno-red-zone, because the compiler does not know of the push.
[[gnu::always_inline]] inline boost::context::detail::transfer_t jump(void* to,
                                                                      void* data) noexcept {
#if defined(__x86_64__) && defined(WEFT_NO_RED_ZONE) && !defined(__AVX512F__) && \
    !defined(WEFT_ASAN) && !defined(WEFT_TSAN)
  boost::context::detail::transfer_t transfer;
  asm volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "jmp *jump_fcontext@GOTPCREL(%%rip)\n"
      "1:"
      : "=&a"(transfer.fctx), "=&d"(transfer.data), "+D"(to), "+S"(data)
      :
      : "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
        "xmm15");
  return transfer;
#else
  return boost::context::detail::jump_fcontext(to, data);
#endif
}

// Leaves the running stack, `from`, for `to`; returns when somebody switches back.
[[gnu::always_inline]] inline void switch_stack(StackContext& from, StackContext& to,
                                                ExceptionState& thread) noexcept {
  exchange(from, to, thread);
  sanitizer::leaving(from, to);
  arrive(jump(to.registers, &from), from);
}

// Leaves the running stack for good, or until it is continued for another fiber:
// `from` may be gone when somebody arrives at `to`.
[[gnu::always_inline]] inline void leave_stack(StackContext& from, StackContext& to,
                                               ExceptionState& thread) noexcept {
  exchange(from, to, thread);
  sanitizer::leaving_for_good(from, to);
  arrive(jump(to.registers, &from), from);
}

}  // namespace weft::detail
