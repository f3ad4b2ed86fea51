// WEFT_CHECK: an invariant of weft's own. A false one is a bug here, not in the
// caller's program, so it ends the process and says where.
#pragma once

namespace weft::detail {

[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

}  // namespace weft::detail

#define WEFT_CHECK(condition) \
  ((condition) ? void() : ::weft::detail::check_failed(#condition, __FILE__, __LINE__))
