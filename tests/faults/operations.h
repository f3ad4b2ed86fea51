// Operations: what a scenario starts, and whether each ended as promised.
//
//   operations.start<TcpStream>(
//       "connect", [&](auto done) { TcpStream::connect(host, port, std::move(done)); },
//       [&](TcpStream peer) { operations.finish(); });
//   operations.wait();
//
// A callback comes exactly once, never inside the call that took it, and never where that
// call threw. An error ends the scenario: wait() throws it.
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <weft/runtime/await.h>
#include <weft/runtime/event.h>

namespace weft::test {

class Operations {
 public:
  Operations() {
    started_.reserve(kMax);
    noted_.reserve(kMax);
  }
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;
  ~Operations() = default;

  // Calls `start` with a callback; `then` gets the value it is called with.
  template <typename T, typename Start, typename Then>
  void start(const char* what, Start&& start, Then then) {
    const std::size_t number = started_.size();
    started_.push_back({what});
    try {
      start(Callback<T>([this, number, then = std::move(then)](Result<T> result) mutable {
        called(number);
        if (!over_.is_set()) attempt([&] { call(then, std::move(result)); });
      }));
      started_[number].is_starting = false;
      started_[number].has_started = true;
    } catch (...) {
      started_[number].is_starting = false;
      fail(std::current_exception());
    }
  }

  // Calls `fn`, whose error ends the scenario; for handlers.
  template <typename F>
  void attempt(F&& fn) noexcept {
    try {
      fn();
    } catch (...) {
      fail(std::current_exception());
    }
  }
  void fail(std::exception_ptr error) noexcept {
    if (error_ == nullptr) error_ = std::move(error);
    over_.set();
  }
  // Keeps an error the scenario goes on after.
  void note(std::exception_ptr error) noexcept {
    if (noted_.size() < noted_.capacity()) noted_.push_back(std::move(error));
  }
  const std::vector<std::exception_ptr>& noted() const noexcept { return noted_; }
  void finish() noexcept { over_.set(); }
  // Waits for finish(), or for an error, which it throws.
  void wait() {
    over_.wait();
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

  // What was not as promised, a line each.
  std::string complaints() const {
    std::string text;
    for (const Started& one : started_) {
      const int expected = one.has_started ? 1 : 0;
      if (one.calls != expected) {
        text += std::string("  the callback of ") + one.what + " was called " +
                std::to_string(one.calls) + " times, not " + std::to_string(expected) + "\n";
      }
      if (one.was_called_inside) {
        text += std::string("  the callback of ") + one.what + " was called inside its call\n";
      }
    }
    return text;
  }

 private:
  static constexpr std::size_t kMax = 64;

  struct Started {
    const char* what;
    bool is_starting = true;
    bool has_started = false;
    bool was_called_inside = false;
    int calls = 0;
  };

  void called(std::size_t number) noexcept {
    Started& one = started_[number];
    ++one.calls;
    if (one.is_starting) one.was_called_inside = true;
  }
  template <typename T, typename Then>
  static void call(Then& then, Result<T> result) {
    if constexpr (std::is_void_v<T>) {
      result.value();
      then();
    } else {
      then(std::move(result).value());
    }
  }

  std::vector<Started> started_;
  std::exception_ptr error_;
  std::vector<std::exception_ptr> noted_;
  Event over_;
};

}  // namespace weft::test
