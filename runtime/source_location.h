// SourceLocation: where in the user's code something was started, for reports.
//
// std::source_location with fewer members; clang 14 cannot compile libstdc++'s.
#pragma once

namespace weft {

struct SourceLocation {
  const char* file = "";
  int line = 0;

  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

}  // namespace weft
