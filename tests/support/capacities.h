// each_capacity: runs a test of channels once for each kind of capacity.
#pragma once

#include <cstddef>

#include <doctest/doctest.h>

namespace weft::test {

// Call it once, first thing in a test case.
inline std::size_t each_capacity() {
  std::size_t capacity = 0;
  SUBCASE("a rendezvous") {}
  SUBCASE("room for one") {
    capacity = 1;
  }
  SUBCASE("room for two") {
    capacity = 2;
  }
  SUBCASE("room for all") {
    capacity = 1000;
  }
  return capacity;
}

}  // namespace weft::test
