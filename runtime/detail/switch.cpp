#include <cxxabi.h>

#include <weft/runtime/detail/switch.h>

namespace weft::detail {

constinit thread_local ExceptionState* thread_exceptions
    __attribute__((tls_model("initial-exec"))) = nullptr;

void bind_switch_to_thread() noexcept {
  thread_exceptions = reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
}

}  // namespace weft::detail
