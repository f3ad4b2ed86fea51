// failure_of: what a call says when the system refuses it, as text to compare.
#pragma once

#include <string>
#include <system_error>

namespace weft::test {

template <typename F>
std::string failure_of(F&& fn) {
  try {
    fn();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "no failure";
}

}  // namespace weft::test
