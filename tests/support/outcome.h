// outcome: whether a call went on or was cancelled, as a word for a trace.
#pragma once

#include <string>

#include <weft/runtime/error.h>

namespace weft::test {

template <typename F>
std::string outcome(F&& fn) {
  try {
    fn();
  } catch (const Cancelled&) {
    return "cancelled";
  }
  return "went on";
}

}  // namespace weft::test
