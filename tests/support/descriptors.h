// Descriptors: how many this process may still open.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace weft::test {

// The number the next descriptor gets.
inline int next_descriptor() {
  const int next = ::dup(0);
  ::close(next);
  return next;
}

// Leaves so many descriptors free. In a child: those of the test itself count too.
inline void leave_free(int descriptors) {
  const rlimit limit{static_cast<rlim_t>(next_descriptor() + descriptors), 4096};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

}  // namespace weft::test
