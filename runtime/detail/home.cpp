#include <weft/runtime/detail/home.h>

namespace weft::detail {

bool Home::may_move() const noexcept {
  if (source_ != 0 && !is_own_source(source_ - 1)) return false;
  source_ = runtime_thread.source;
  return true;
}

}  // namespace weft::detail
