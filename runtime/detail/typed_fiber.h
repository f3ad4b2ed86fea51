// TypedFiber: a fiber, its function and its result.
#pragma once

#include <functional>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <weft/runtime/detail/fiber.h>

namespace weft::detail {

struct Nothing {};

template <typename T>
class TypedFiber : public Fiber {
 public:
  using Stored = std::conditional_t<std::is_void_v<T>, Nothing, T>;

  std::optional<Stored> result;

 protected:
  using Fiber::Fiber;
  ~TypedFiber() = default;
};

template <typename T, typename F>
class FunctionFiber final : public TypedFiber<T> {
 public:
  FunctionFiber(StackMemory memory, F fn) : TypedFiber<T>(kBody, memory), fn_(std::move(fn)) {}

 private:
  static void run(Fiber& fiber) {
    auto& self = static_cast<FunctionFiber&>(fiber);
    // What the function captured dies with it, on the fiber.
    struct Drop {
      std::optional<F>& fn;
      ~Drop() { fn.reset(); }
    } const drop{self.fn_};
    if constexpr (std::is_void_v<T>) {
      std::invoke(*self.fn_);
      self.result.emplace();
    } else {
      self.result.emplace(std::invoke(*self.fn_));
    }
  }
  static void discard(Fiber& fiber) noexcept { static_cast<FunctionFiber&>(fiber).result.reset(); }
  static void destroy(Fiber& fiber) noexcept {
    static_cast<FunctionFiber&>(fiber).~FunctionFiber();
  }

  static constexpr Fiber::Body kBody{&run, &discard, &destroy};

  std::optional<F> fn_;
};

template <typename T, typename F>
TypedFiber<T>& make_fiber(F fn, FiberOptions options, SourceLocation at) {
  using Made = FunctionFiber<T, F>;
  static_assert(alignof(Made) <= 64, "what a fiber captures may be aligned to 64 bytes at most");
  const FiberPlace place = take_fiber_place(sizeof(Made), options.stack_bytes);
  Made* made = nullptr;
  try {
    made = ::new (place.record) Made(place.stack, std::move(fn));
  } catch (...) {
    give_back(place);
    throw;
  }
  start(*made, std::move(options), at);
  return *made;
}

[[noreturn]] void raise_no_result(Fiber& fiber);

template <typename T>
T take_result(TypedFiber<T>& fiber) {
  if (!fiber.result) raise_no_result(fiber);
  if constexpr (!std::is_void_v<T>) return std::move(*fiber.result);
}

}  // namespace weft::detail
