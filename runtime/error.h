// Errors of the system, and the two ends of a fiber that are no errors.
//
// An operation that fails yields a std::error_code of uv_category(), which
// compares with std::errc: ec == std::errc::connection_refused. In a fiber it
// arrives as std::system_error, whose text names the call and the address:
// "connect 127.0.0.1:1: connection refused (ECONNREFUSED)".
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace weft {

// libuv's error numbers (negative errno values on Unix).
const std::error_category& uv_category() noexcept;

// Thrown at a suspension point of a cancelled fiber, and again at the next: let
// it pass. Not a std::exception, so that `catch (const std::exception&)` lets it.
class Cancelled {};

// Every fiber waits and nothing is left to wake one; what() lists who waits, for
// what, and where it was started. Thrown by run().
class Deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weft
