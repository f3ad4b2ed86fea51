#include <weft/ctx/event_emitter.h>

namespace weft::detail {

void raise_unheard(const std::exception_ptr& error) {
  if (error == nullptr) throw UsageError("emit: an ErrorEvent carries an error, not null");
  std::rethrow_exception(error);
}

}  // namespace weft::detail
