// complaint_of: what the kit for tests says of a body.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <weft/runtime/testing/run_test.h>

namespace weft::test {

// Empty when it is content.
inline std::string complaint_of(const std::function<void()>& body,
                                testing::TestOptions options = {}) {
  try {
    testing::run_test(body, std::move(options));
  } catch (const testing::TestFailure& failure) {
    return failure.what();
  }
  return {};
}

inline bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace weft::test
