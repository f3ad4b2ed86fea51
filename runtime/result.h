// Result: what an operation came to, a value or an error.
//
// The stand-in for std::expected, with its verbs. Callback-style operations
// deliver it; await() turns it into a return value or an exception.
#pragma once

#include <exception>
#include <memory>
#include <new>
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
  // What user code threw, where it ran for an operation (offload); then `code` is that
  // of a std::system_error, else uv_category()'s UNKNOWN, and `doing` tells the rest.
  std::exception_ptr exception = nullptr;

  // "connect 127.0.0.1:1: connection refused (ECONNREFUSED)"
  std::string message() const {
    return doing.empty() ? code.message() : doing + ": " + code.message();
  }
  [[noreturn]] void raise() const {
    if (exception != nullptr) std::rethrow_exception(exception);
    if (doing.empty()) throw std::system_error(code);
    throw std::system_error(code, doing);
  }
};

namespace detail {

// An error, or none, in one word: a Result is moved often and seldom fails.
class ErrorBox {
 public:
  ErrorBox() = default;
  // Where there is no memory for the error, that is the error.
  explicit ErrorBox(Error error) noexcept : error_(new (std::nothrow) Error(std::move(error))) {
    if (error_ == nullptr) error_.reset(&out_of_memory());
  }
  ErrorBox(ErrorBox&&) = default;
  ErrorBox& operator=(ErrorBox&&) = default;
  ErrorBox(const ErrorBox& other) : error_(other.error_ ? new Error(*other.error_) : nullptr) {}
  ErrorBox& operator=(const ErrorBox& other) { return *this = ErrorBox(other); }
  ~ErrorBox() = default;

  explicit operator bool() const noexcept { return error_ != nullptr; }
  const Error* operator->() const noexcept { return error_.get(); }
  const Error& operator*() const noexcept { return *error_; }
  std::error_code code() const noexcept { return error_ ? error_->code : std::error_code(); }
  std::string message() const { return error_ ? error_->message() : std::string(); }

 private:
  static const Error& out_of_memory() noexcept;

  struct Drop {
    void operator()(const Error* error) const noexcept {
      if (error != &out_of_memory()) delete error;
    }
  };

  std::unique_ptr<const Error, Drop> error_;
};

}  // namespace detail

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
  std::error_code error() const noexcept { return error_.code(); }
  // The whole text; empty when there is a value.
  std::string message() const { return error_.message(); }
  // The error itself; call only when there is no value.
  const Error& failure() const noexcept { return *error_; }

 private:
  void check() const {
    if (!value_) [[unlikely]]
      error_->raise();
  }

  std::optional<T> value_;
  detail::ErrorBox error_;  // none when there is a value
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
  std::error_code error() const noexcept { return error_.code(); }
  std::string message() const { return error_.message(); }
  const Error& failure() const noexcept { return *error_; }

 private:
  detail::ErrorBox error_;
};

}  // namespace weft
