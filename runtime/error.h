// Errors of the system, and the two ends of a fiber that are no errors.
//
// An operation that fails yields a std::error_code of uv_category(), which
// compares with std::errc: ec == std::errc::connection_refused. In a fiber it
// arrives as std::system_error, whose text names the call and the address:
// "connect 127.0.0.1:1: connection refused (ECONNREFUSED)".
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft {

// libuv's error numbers (negative errno values on Unix).
const std::error_category& uv_category() noexcept;

// Thrown at each suspension point inside a cancelled scope (cancel_scope.h), until
// that is left: let it pass. Not a std::exception, so that
// `catch (const std::exception&)` lets it.
class Cancelled {
 public:
  Cancelled() noexcept = default;
  explicit Cancelled(std::shared_ptr<const std::string> reason) noexcept
      : reason_(std::move(reason)) {}

  // Why the scope that ends here was cancelled: what its cancel() was given.
  std::string_view reason() const noexcept {
    return reason_ == nullptr ? std::string_view() : *reason_;
  }

 private:
  std::shared_ptr<const std::string> reason_;  // shared with the scope
};

// Every fiber waits and nothing is left to wake one; what() lists who waits, for
// what, and where it was started. Thrown by run().
class Deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weft
