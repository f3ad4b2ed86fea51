// How a call ended, as words for a trace.
#pragma once

#include <string>
#include <system_error>

#include <weft/runtime/error.h>

namespace weft::test {

// Whether it went on or was cancelled.
template <typename F>
std::string outcome(F&& fn) {
  try {
    fn();
  } catch (const Cancelled&) {
    return "cancelled";
  }
  return "went on";
}

// The same of a call at a channel or queue, which may be closed.
template <typename F>
std::string outcome_of_transfer(F&& fn) {
  try {
    fn();
  } catch (const Cancelled&) {
    return "cancelled";
  } catch (const std::system_error& error) {
    return error.code() == std::errc::broken_pipe ? "broken pipe" : error.what();
  }
  return "done";
}

}  // namespace weft::test
