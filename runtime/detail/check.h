// WEFT_CHECK: an invariant of weft's own. A false one is a bug here, not in the
// caller's program, so it ends the process and says where.
#pragma once

namespace weft::detail {

[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

// A callback the user must give.
// Errors: UsageError, which names `what`, when it is empty.
[[noreturn]] void raise_empty_callback(const char* what);
template <typename Function>
void require_callback(const Function& callback, const char* what) {
  if (!callback) [[unlikely]]
    raise_empty_callback(what);
}

}  // namespace weft::detail

#define WEFT_CHECK(condition) \
  ((condition) ? void() : ::weft::detail::check_failed(#condition, __FILE__, __LINE__))
