// Descriptors 0, 1 and 2 are the program's: nothing of ours may have such a number.
//
// Who starts a program may have closed them, and so may the program. What is opened next
// gets the number, and then a connection reads what is written to stderr, children inherit
// it, and libuv, which closes no stream of such a number, ends the process or leaks it.
#pragma once

namespace weft::detail {

// Opens /dev/null as each of them that is not open. Before what libuv opens by itself.
// Source: Node `PlatformInit`.
void open_standard_descriptors() noexcept;

// Moves `fd`, which has just been opened, away from these numbers, and opens them as above.
// Returns what it is now; negative, with errno, when there is no other, or when it was.
int move_above_standard(int fd) noexcept;
inline int above_standard(int fd) noexcept {
  return fd > 2 || fd < 0 ? fd : move_above_standard(fd);
}

}  // namespace weft::detail
