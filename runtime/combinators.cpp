#include <uv.h>

#include <weft/ctx/error.h>
#include <weft/runtime/combinators.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

void raise_no_outcome(const char* what) {
  uv_error(UV_ECANCELED, what).raise();
}

void raise_misuse(const char* text) {
  throw UsageError(text);
}

}  // namespace weft::detail
