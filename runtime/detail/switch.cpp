#include <cxxabi.h>

#include <weft/runtime/detail/switch.h>

namespace weft::detail {

ExceptionState* exceptions_of_thread() noexcept {
  return reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
}

}  // namespace weft::detail
