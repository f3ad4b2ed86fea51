// The process's table of descriptors, made large enough once.
//
// In a process with threads, and any that used a pool is one, the kernel stops whoever
// opens the 257th, 513th, 1025th ... descriptor for 5 to 36 ms, while it doubles the
// table and waits until no processor looks at the old one. A server pays that in the
// middle of its rush, once per doubling; at the start of a run it costs nothing.
#pragma once

namespace weft::detail {

// Grows the table to the soft limit of open files, or to 65,536 where that is more; the
// first call of the process does. `fd` is any that is open.
void grow_fd_table(int fd) noexcept;

}  // namespace weft::detail
