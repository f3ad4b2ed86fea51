// run: the loop, with the program's main function on its first fiber.
//
//   int main() {
//     return weft::run([] { sleep_for(1s); });
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include <weft/ctx/hooks.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/source_location.h>

struct uv_loop_s;

namespace weft {

struct RunOptions {
  // Gets what leaves a callback, or a fiber nobody joins, or what a promise is rejected
  // with that nobody looks at, inside the context of the resource that failed. Without
  // one, or if it throws itself, the error is printed with the chain of resources that
  // led to it, everything is stopped in order, and run() rethrows it.
  // Source: Node `process.on('uncaughtException')`.
  UniqueFunction<void(std::exception_ptr error)> on_uncaught = {};

  HookErrors hook_errors = HookErrors::kExit;

  // SIGINT and SIGTERM stop the run in order, as Loop::stop() does, and are no error. The
  // next one ends the process by its default effect, however long that takes.
  bool stop_on_interrupt = false;

  // Units: bytes of usable stack for a fiber that names none; rounded up to a power of two.
  std::size_t stack_bytes = std::size_t{64} * 1024;
  // Units: bytes; the main fiber's.
  std::size_t main_stack_bytes = std::size_t{1024} * 1024;

  // How many fibers and microtasks run before the loop looks for I/O again.
  unsigned resume_budget = 1024;

  // Begins the sequence by which select() picks among cases that are ready. It is the
  // same in every run, so that a run can be repeated; give entropy to vary it.
  std::uint64_t select_seed = 0;
};

namespace detail {

int run_main(uv_loop_s* uv, UniqueFunction<int()> main, RunOptions options, SourceLocation at);

template <typename Main>
UniqueFunction<int()> main_function(Main main) {
  using Status = std::invoke_result_t<Main&>;
  static_assert(std::is_void_v<Status> || std::is_convertible_v<Status, int>,
                "the main function returns nothing, or the exit status of the program as an int");
  if constexpr (std::is_void_v<Status>) {
    return [main = std::move(main)]() mutable {
      std::invoke(main);
      return 0;
    };
  } else {
    return main;
  }
}

}  // namespace detail

// Makes a loop, runs `main` on its first fiber, and returns when nothing keeps the
// loop alive: what `main` returned, or 0. SIGPIPE is ignored from the first run on.
//
// Errors: what stopped the run (see RunOptions::on_uncaught); Deadlock when all that is left
//         waits, also where main alone waits and only what is unreferenced could wake it;
//         UsageError when a loop already runs on this thread. What stopped the run has
//         been printed: where it leaves the program's main() as well, as it does from
//         `int main() { return run(...); }`, the process ends with status 1.
template <std::invocable Main>
int run(Main main, RunOptions options = {}, SourceLocation at = SourceLocation::current()) {
  return detail::run_main(nullptr, detail::main_function(std::move(main)), std::move(options), at);
}

// As run(), on a loop the caller owns, for weft inside an existing libuv program.
// Replaces the call of uv_run: the caller's handles run as well, and their
// callbacks may call weft while main or anything it started is left; what enter_with
// sets in one is forgotten by the next phase of the turn. Returns when
// neither side keeps the loop alive, or in order after uv_stop; the loop stays open
// and is the caller's. A stop ends waits that have no abort by force: what they
// wait for must not write to the waiting fiber's stack.
template <std::invocable Main>
int run_on(uv_loop_s* uv, Main main, RunOptions options = {},
           SourceLocation at = SourceLocation::current()) {
  return detail::run_main(uv, detail::main_function(std::move(main)), std::move(options), at);
}

}  // namespace weft
