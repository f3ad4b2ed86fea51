// What a fiber keeps on its stack while it awaits an operation.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/error.h>
#include <weft/runtime/result.h>

namespace weft::detail {

struct NoAbort {
  void operator()() const noexcept {}
};

template <typename T>
struct AwaitResult : Wait {
  AwaitResult(Fiber& fiber, const char* waits_for) : Wait(waits_for), self(fiber) {}
  AwaitResult(const AwaitResult&) = delete;
  AwaitResult& operator=(const AwaitResult&) = delete;
  // The wait may end before its callback does: `start` threw, or the run ended.
  ~AwaitResult() {
    if (held_at != nullptr) *held_at = nullptr;
  }

  void complete(Result<T> outcome) {
    result.emplace(std::move(outcome));
    end();
  }
  void end() noexcept {
    is_over = true;
    wake(self);
  }

  Fiber& self;
  AwaitResult** held_at = nullptr;  // who will end the wait; null when that has happened
  std::optional<Result<T>> result;  // still empty when over: the callback was dropped
};

template <typename T, typename Abort>
class AwaitState : public AwaitResult<T> {
 public:
  AwaitState(Fiber& fiber, const char* waits_for, Abort& on_abort)
      : AwaitResult<T>(fiber, waits_for), abort_(on_abort) {
    if constexpr (!std::is_same_v<std::remove_const_t<Abort>, NoAbort>) {
      this->abort = [](Wait& wait) { static_cast<AwaitState&>(wait).abort_(); };
    }
  }

  // Shape: the result lives here.
  Result<T>& wait() {
    if (!this->is_over) park(this->self, *this);
    if (this->self.attention != 0 || !this->result) [[unlikely]]
      look_again();
    return *this->result;
  }

 private:
  [[gnu::noinline]] void look_again() {
    const bool cancelled = is_cancel_due(this->self) || this->was_aborted();
    if (!this->result) {
      if (cancelled) raise_cancelled(this->self);
      // Inside a destructor or a shield, while the run ends.
      if (this->self.is_cancel_requested() || is_run_ending(this->self)) {
        this->result.emplace(ended_by_force(this->what));
        return;
      }
      throw UsageError(std::string(this->what) +
                       ": the operation dropped its callback; it must call it exactly once");
    }
    if (cancelled && this->result->error() == std::errc::operation_canceled) {
      raise_cancelled(this->self);
    }
  }

  Abort& abort_;
};

// The callback of an await. Dropped uncalled, it ends the wait.
template <typename T>
class Completer {
 public:
  explicit Completer(AwaitResult<T>& state) noexcept : state_(&state) { state.held_at = &state_; }
  Completer(Completer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {
    if (state_ != nullptr) state_->held_at = &state_;
  }
  Completer& operator=(Completer&&) = delete;
  ~Completer() {
    if (state_ != nullptr) take()->end();
  }

  void operator()(Result<T> result) {
    if (state_ == nullptr) {
      if (!was_called_) return;  // nobody waits any more: `start` threw, or the run ended
      throw UsageError("await: the operation called its callback twice");
    }
    was_called_ = true;
    take()->complete(std::move(result));
  }

 private:
  AwaitResult<T>* take() noexcept {
    state_->held_at = nullptr;
    return std::exchange(state_, nullptr);
  }

  AwaitResult<T>* state_;
  bool was_called_ = false;
};

}  // namespace weft::detail
