// Options of spawn().
#pragma once

#include <cstddef>
#include <string>

namespace weft {

struct SpawnOptions {
  // For reports, which name the place of the spawn in any case.
  std::string name = {};
  // Units: bytes of usable stack, rounded up to a power of two and at least 16 KiB;
  // 0: RunOptions::stack_bytes.
  std::size_t stack_bytes = 0;
};

}  // namespace weft
