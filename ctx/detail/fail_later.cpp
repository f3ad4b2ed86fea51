#include <cstdio>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/detail/fail_later.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

void fail_later(const std::exception_ptr& error) noexcept {
  if (thread_state.fail_later != nullptr) return thread_state.fail_later(error);
  std::fprintf(stderr, "weft: uncaught error: %s\n", describe_exception(error).c_str());
}

}  // namespace weft::detail
