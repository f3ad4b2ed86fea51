// Names the fiber that overflowed its stack before the process dies of it.
#pragma once

namespace weft::detail {

// Installs the process's SIGSEGV and SIGBUS handler once, and an alternate signal
// stack for the calling thread: the overflowed one has no room for a handler.
void watch_for_overflow();

}  // namespace weft::detail
