// run_loop: run() with a choice of clock, for test harnesses; and what a run begins with.
#pragma once

#include <weft/runtime/detail/loop.h>

namespace weft::detail {

int run_loop(uv_loop_s* uv, UniqueFunction<int()> main, RunOptions options, Clock clock,
             SourceLocation at = SourceLocation::current());

// `error` has been printed, and run() is about to rethrow it: where nobody catches it the
// program ends as Node's does, with status 1 and without a second text.
void note_printed(std::exception_ptr error) noexcept;

// Ignores SIGPIPE where its default action is in force: at each run's beginning, and when
// libuv, which knows no other, has gone back to it.
void ignore_broken_pipes() noexcept;

}  // namespace weft::detail
