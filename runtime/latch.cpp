#include <weft/ctx/error.h>
#include <weft/runtime/latch.h>

namespace weft {

void Latch::raise_below_zero() {
  throw UsageError("Latch::count_down: it would count below 0; make it with a larger count");
}

}  // namespace weft
