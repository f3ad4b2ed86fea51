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

// The short name of a code of uv_category(), of the generic or of the system category:
// "ECONNREFUSED", "EAI_NONAME", "EOF". Of any other code its category and number, as a
// stream prints it: "iostream:1"; of no error (0) nothing.
// Source: Node `error.code`; uv_err_name.
std::string error_name(const std::error_code& code);

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

// What with_timeout() and with_deadline() throw when they cut short: an error of
// std::errc::timed_out like a peer's that does not answer, and a type of its own. The
// text names the call: "with_timeout of 50 ms at server.cpp:41: connection timed out".
class TimedOut : public std::system_error {
 public:
  using std::system_error::system_error;
};

// Every fiber waits and nothing is left to wake one; what() lists who waits, for
// what, and where it was started. Thrown by run().
class Deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weft
