// Result: what an operation came to, a value or an error.
//
// The stand-in for std::expected, with its verbs. Callback-style operations
// deliver it; await() turns it into a return value or an exception.
#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <weft/ctx/error.h>

namespace weft {

// An error and what was being done: "connect 127.0.0.1:1".
struct Error {
  std::error_code code;
  std::string doing;

  // "connect 127.0.0.1:1: connection refused (ECONNREFUSED)"
  std::string message() const {
    return doing.empty() ? code.message() : doing + ": " + code.message();
  }
  [[noreturn]] void raise() const {
    if (doing.empty()) throw std::system_error(code);
    throw std::system_error(code, doing);
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return value_.has_value(); }
  bool has_value() const noexcept { return value_.has_value(); }

  // Errors: std::system_error with the error's code and text when there is no value.
  T& value() & { return check(), *value_; }
  const T& value() const& { return check(), *value_; }
  T value() && { return check(), std::move(*value_); }
  T& operator*() & { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }

  // The code; no error (0) when there is a value.
  std::error_code error() const noexcept { return error_ ? error_->code : std::error_code(); }
  // The whole text; empty when there is a value.
  std::string message() const { return error_ ? error_->message() : std::string(); }
  // The error itself; call only when there is no value.
  const Error& failure() const noexcept { return *error_; }

 private:
  void check() const {
    if (!value_) [[unlikely]]
      error_->raise();
  }

  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return !error_; }
  bool has_value() const noexcept { return !error_; }
  void value() const {
    if (error_) [[unlikely]]
      error_->raise();
  }
  std::error_code error() const noexcept { return error_ ? error_->code : std::error_code(); }
  std::string message() const { return error_ ? error_->message() : std::string(); }
  const Error& failure() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace weft
