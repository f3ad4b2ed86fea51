// The payload of a fiber: its function and its result, below the record.
#pragma once

#include <functional>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/fiber.h>

namespace weft::detail {

struct Nothing {};
template <typename T>
using StoredResult = std::conditional_t<std::is_void_v<T>, Nothing, T>;

// The part that a Task<T> knows.
template <typename T>
struct FiberResult {
  std::optional<StoredResult<T>> result;

  static FiberResult& of(Fiber& fiber) noexcept {
    return *std::launder(static_cast<FiberResult*>(fiber.payload));
  }
};

template <typename T, typename F>
struct FiberPayload : FiberResult<T> {
  explicit FiberPayload(F&& function) : fn(std::move(function)) {}
  FiberPayload(const FiberPayload&) = delete;
  FiberPayload& operator=(const FiberPayload&) = delete;
  ~FiberPayload() = delete;  // run() destroys the function, discard() the result

  union {
    F fn;
  };

  static FiberPayload& of(Fiber& fiber) noexcept {
    return static_cast<FiberPayload&>(FiberResult<T>::of(fiber));
  }

  static void run(Fiber& fiber) {
    FiberPayload& self = of(fiber);
    // What the function captured dies with it, on the fiber.
    struct Drop {
      F& fn;
      ~Drop() { fn.~F(); }
    } const drop{self.fn};
    if constexpr (std::is_void_v<T>) {
      std::invoke(self.fn);
      self.result.emplace();
    } else {
      self.result.emplace(std::invoke(self.fn));
    }
  }
  static void discard(Fiber& fiber) noexcept { of(fiber).result.reset(); }

  static constexpr Fiber::Body kBody{
      &run, std::is_trivially_destructible_v<StoredResult<T>> ? nullptr : &discard};
};

template <typename T, typename F>
Fiber& spawn_fiber(F& fn, const SpawnOptions* options, const SourceLocation& at) {
  if constexpr (std::is_nothrow_move_constructible_v<F>) {
    using Payload = FiberPayload<T, F>;
    static_assert(alignof(Payload) <= 64, "align what a fiber captures to 64 bytes at most");
    constexpr bool kSmall = sizeof(Payload) <= kSmallPayloadBytes;
    Fiber& fiber = kSmall && options == nullptr
                       ? start_fiber(Payload::kBody, at)
                       : start_fiber(Payload::kBody, at, sizeof(Payload), options);
    ::new (fiber.payload) Payload(std::move(fn));
    return fiber;
  } else {
    // Nothing may throw once the fiber is started; UniqueFunction moves without.
    UniqueFunction<std::invoke_result_t<F&>()> call(std::move(fn));
    return spawn_fiber<T>(call, options, at);
  }
}

[[noreturn]] void raise_no_result(Fiber& fiber);

template <typename T>
T take_result(Fiber& fiber) {
  auto& result = FiberResult<T>::of(fiber).result;
  if (!result) [[unlikely]]
    raise_no_result(fiber);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace weft::detail
