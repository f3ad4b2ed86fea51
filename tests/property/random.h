// Random: the numbers a seed stands for, the same on every platform.
#pragma once

#include <cstdint>

namespace weft::property {

// Source: Vigna's splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  // One of 0 .. count - 1.
  unsigned below(unsigned count) noexcept { return static_cast<unsigned>(next() % count); }
  bool one_in(unsigned count) noexcept { return below(count) == 0; }

 private:
  std::uint64_t next() noexcept {
    state_ += 0x9e37'79b9'7f4a'7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
    return mixed ^ (mixed >> 31);
  }

  std::uint64_t state_;
};

}  // namespace weft::property
