// The harness of tests that need a loop.
//
//   test::run([&] {
//     spawn([&] { trace.push_back("spawned"); });
//     sleep_for(1h);  // takes no time: the clock is virtual
//   });
//
// testing::run_test() with weft's own options: a test may leave what run() closes.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/testing/run_test.h>

namespace weft::test {

struct HarnessOptions {
  RunOptions run = {};
  detail::Clock clock = detail::Clock::kVirtual;
};

// Runs `body` on the main fiber of a fresh loop until nothing is left, and requires
// that every frame made meanwhile is gone.
template <std::invocable Body>
void run(Body body, HarnessOptions options = {}, SourceLocation at = SourceLocation::current()) {
  testing::run_test(body,
                    {.run = std::move(options.run),
                     .real_clock = options.clock == detail::Clock::kReal,
                     .finds_leftovers = false},
                    at);
}

// How a child process ended, and what it wrote to standard error.
struct ChildResult {
  int status = -1;  // of its exit; -1: a signal ended it
  int signal = 0;
  std::string errors;

  bool says(const std::string& text) const { return errors.find(text) != std::string::npos; }
  // Died of a bad access. A sanitizer's handler, if there is one, ends with a status of its own.
  bool crashed() const;
};

// Runs `body` in a forked child; for what ends the process. A body that returns
// exits with 0, one that throws prints the error and exits with 2.
ChildResult run_in_child(UniqueFunction<void()> body);

// In a child: exit() does not look for leaks, which a sanitizer never ends in a fork that
// exits on a fiber's stack.
void exit_without_leak_check();

}  // namespace weft::test
