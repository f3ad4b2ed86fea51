// What ASan, TSan and valgrind must be told about stacks. Nothing in other builds.
//
// Without it ASan reports an underflow at a fiber's first exception, TSan races
// that are none, and valgrind every access to a fiber's stack.
#pragma once

#include <weft/runtime/detail/stack_context.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#endif

#ifdef WEFT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEFT_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef WEFT_VALGRIND
#include <valgrind/valgrind.h>
#endif

namespace weft::detail::sanitizer {

// Whether some sanitizer watches stacks: then none is continued for another fiber.
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
inline constexpr bool kAny = true;
#else
inline constexpr bool kAny = false;
#endif

// Before the first switch from the thread's own stack.
inline void adopt_thread_stack([[maybe_unused]] StackContext& context) noexcept {
#ifdef WEFT_TSAN
  context.tsan_fiber = __tsan_get_current_fiber();
#endif
}

// A stack's memory is about to carry a new fiber.
inline void prepare([[maybe_unused]] StackContext& context, [[maybe_unused]] void* low,
                    [[maybe_unused]] std::size_t size) noexcept {
#ifdef WEFT_ASAN
  context.bottom = low;
  context.size = size;
#endif
#ifdef WEFT_TSAN
  context.tsan_fiber = __tsan_create_fiber(0);
#endif
}

// The memory of a fiber that ended becomes an ordinary stack again: frames left
// for good never cleaned their shadow.
inline void unpoison([[maybe_unused]] void* low, [[maybe_unused]] std::size_t size) noexcept {
#ifdef WEFT_ASAN
  __asan_unpoison_memory_region(low, size);
#endif
}

inline void leaving([[maybe_unused]] StackContext& from,
                    [[maybe_unused]] StackContext& to) noexcept {
#ifdef WEFT_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
#ifdef WEFT_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
}

#ifdef WEFT_TSAN
// The fiber that ended last: TSan's record of it can only be destroyed from another stack.
inline thread_local void* tsan_ended = nullptr;
#endif

// What the two below and arrived() need of a stack whose record is about to go.
inline void keep([[maybe_unused]] StackContext& kept,
                 [[maybe_unused]] const StackContext& of) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  kept = of;
#endif
}

inline void leaving_for_good([[maybe_unused]] StackContext& from,
                             [[maybe_unused]] StackContext& to) noexcept {
#ifdef WEFT_ASAN
  __sanitizer_start_switch_fiber(nullptr, to.bottom, to.size);
#endif
#ifdef WEFT_TSAN
  tsan_ended = from.tsan_fiber;
  __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
}

inline void arrived([[maybe_unused]] StackContext& here,
                    [[maybe_unused]] StackContext& left) noexcept {
#ifdef WEFT_ASAN
  // Tells the thread's own stack, whose bounds nobody else knows, where it is.
  __sanitizer_finish_switch_fiber(here.fake_stack, left.bottom == nullptr ? &left.bottom : nullptr,
                                  left.size == 0 ? &left.size : nullptr);
#endif
#ifdef WEFT_TSAN
  if (tsan_ended != nullptr) __tsan_destroy_fiber(tsan_ended);
  tsan_ended = nullptr;
#endif
}

inline unsigned register_stack([[maybe_unused]] void* low, [[maybe_unused]] void* high) noexcept {
#ifdef WEFT_VALGRIND
  return VALGRIND_STACK_REGISTER(low, high);
#else
  return 0;
#endif
}

inline void deregister_stack([[maybe_unused]] unsigned id) noexcept {
#ifdef WEFT_VALGRIND
  VALGRIND_STACK_DEREGISTER(id);
#endif
}

}  // namespace weft::detail::sanitizer
