// OffloadWork: a function on its way through a pool, in a copy of its caller's context.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/frame.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {

class Offload : public Work {
 public:
  const AsyncResource* resource() const noexcept final { return &resource_; }

 protected:
  // An error: it was refused.
  std::optional<Error> start(Pool& pool);
  Offload();
  virtual void call() = 0;
  EventLoop& loop() const noexcept { return *loop_; }
  AsyncResource& mutable_resource() noexcept { return resource_; }
  // Why there is no value.
  Error failure(bool was_cancelled) noexcept;

 private:
  void run() noexcept final;

  EventLoop* loop_;
  AsyncResource resource_;
  PortableFrame frame_;  // ends on the pool's thread
  std::exception_ptr thrown_;
};

template <typename T, typename F>
class OffloadCall : public Offload {
 public:
  template <typename G>
  explicit OffloadCall(G&& fn) : fn_(std::forward<G>(fn)) {}

  std::optional<Result<T>> start(Pool& pool, Done<T> done) {
    done_.take(done, ResourceAccess::frame(mutable_resource()));
    auto error = Offload::start(pool);
    if (!error) return std::nullopt;
    done_.give_back(done);
    return Result<T>(*std::move(error));
  }

 protected:
  void call() final {
    if constexpr (std::is_void_v<T>) {
      std::invoke(fn_);
      value_.emplace();
    } else {
      value_.emplace(std::invoke(fn_));
    }
  }
  // `this` may be gone when it returns.
  void complete(bool was_cancelled) {
    if (!value_) {
      done_.complete(loop(), mutable_resource(), failure(was_cancelled));
    } else if constexpr (std::is_void_v<T>) {
      done_.complete(loop(), mutable_resource(), Result<void>());
    } else {
      done_.complete(loop(), mutable_resource(), std::move(*value_));
    }
  }

 private:
  struct Nothing {};

  F fn_;
  std::optional<std::conditional_t<std::is_void_v<T>, Nothing, T>> value_;
  Completion<T> done_;
};

// On the stack of the fiber that waits for it. F may be a reference.
template <typename T, typename F>
class WaitedOffload final : public OffloadCall<T, F> {
 public:
  using OffloadCall<T, F>::OffloadCall;

 private:
  void end(bool was_cancelled) noexcept override { this->complete(was_cancelled); }
};

// Owns itself once it has started.
template <typename T, typename F>
class LooseOffload final : public OffloadCall<T, F> {
 public:
  using OffloadCall<T, F>::OffloadCall;

 private:
  void end(bool was_cancelled) noexcept override {
    const std::unique_ptr<LooseOffload> self(this);
    this->complete(was_cancelled);
  }
};

}  // namespace weft::detail
