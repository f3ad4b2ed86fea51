// What tests need to know of child processes beside what weft tells.
#pragma once

#include <cerrno>
#include <string>
#include <sys/wait.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/process.h>

namespace weft::test {

inline io::ProcessOptions shell(std::string script) {
  return {.file = "/bin/sh", .args = {"-c", std::move(script)}};
}

// Blocks the thread until the child has ended, and leaves it to be reaped.
inline void block_until_ended(int pid) {
  siginfo_t info = {};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

// Whether nothing is left of the child, not even a zombie; leaves one that is.
inline bool is_reaped(int pid) {
  siginfo_t info = {};
  const int found = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return found == -1 && errno == ECHILD;
}

}  // namespace weft::test
