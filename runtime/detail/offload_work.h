// What offload() hands to a pool: a function, and room for what it returns.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/runtime/await.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/result.h>

namespace weft::detail {

class OffloadedCall {
 public:
  OffloadedCall() = default;
  OffloadedCall(const OffloadedCall&) = delete;
  OffloadedCall& operator=(const OffloadedCall&) = delete;

  // On the pool's thread, in a copy of the caller's context.
  virtual void call() = 0;

 protected:
  ~OffloadedCall() = default;
};

// F may be a reference.
template <typename T, typename F>
class OffloadedFunction final : public OffloadedCall {
 public:
  explicit OffloadedFunction(F fn) : fn_(std::forward<F>(fn)) {}
  ~OffloadedFunction() = default;

  void call() override {
    if constexpr (std::is_void_v<T>) {
      std::invoke(fn_);
    } else {
      value_.emplace(std::invoke(fn_));
    }
  }
  // Once call() has returned.
  Result<T> take() {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return *std::move(value_);
    }
  }

 private:
  struct Nothing {};

  F fn_;
  std::optional<std::conditional_t<std::is_void_v<T>, Nothing, T>> value_;
};

// Waits until `call` was called; throws what it threw, or why it was not.
void wait_offloaded(Pool& pool, OffloadedCall& call);
// The same; who is cancelled leaves `call` to the pool's thread.
void wait_abandonable(Pool& pool, const std::shared_ptr<OffloadedCall>& call);
// `call` is part of `done`.
void start_offloaded(Pool& pool, OffloadedCall& call, Callback<void> done);

}  // namespace weft::detail
