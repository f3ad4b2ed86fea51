// Errors of the core: what a caller did wrong, said with what to do instead.
//
// UsageError means the program is wrong (a blocking call inside a callback, two
// reads at once); it is a std::logic_error and is not meant to be handled.
// What the system or a peer did wrong arrives as std::system_error instead.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace weft {

// The caller broke a contract; what() says which and what to do.
class UsageError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// AsyncLocal<T>::value() was called where the local has no value.
class MissingContext : public std::logic_error {
 public:
  explicit MissingContext(std::string_view local_name);
};

}  // namespace weft
