#include <weft/ctx/error.h>
#include <weft/runtime/barrier.h>

namespace weft {

Barrier::Barrier(std::size_t parties) : parties_(parties) {
  if (parties == 0) raise_no_party();
}

void Barrier::raise_no_party() {
  throw UsageError("Barrier: nobody takes part; make it with the number of those who arrive");
}

}  // namespace weft
