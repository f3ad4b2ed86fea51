// run_loop: run() with a choice of clock, for test harnesses.
#pragma once

#include <weft/runtime/detail/loop.h>

namespace weft::detail {

int run_loop(uv_loop_s* uv, UniqueFunction<int()> main, RunOptions options, Clock clock,
             SourceLocation at = SourceLocation::current());

}  // namespace weft::detail
