#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>
#include <weft/runtime/testing/schedules.h>

namespace weft::testing {
namespace {

// RunOptions may own a function, and so has no copy.
TestOptions with_seed(const TestOptions& options, std::uint64_t seed) {
  return {.run = {.hook_errors = options.run.hook_errors,
                  .stack_bytes = options.run.stack_bytes,
                  .main_stack_bytes = options.run.main_stack_bytes,
                  .resume_budget = options.run.resume_budget},
          .real_clock = options.real_clock,
          .seed = seed,
          .watches_contexts = options.watches_contexts,
          .finds_leftovers = options.finds_leftovers};
}

// Context: inside a catch block.
[[noreturn]] void fail(std::uint64_t seed) {
  const std::string number = std::to_string(seed);
  const std::string text = "schedule " + number + " fails (WEFT_SEED=" + number +
                           " runs it again): " + weft::detail::describe_current_exception();
  std::fprintf(stderr, "weft: %s\n", text.c_str());
  std::throw_with_nested(ScheduleFailure(seed, text));
}

void run_schedule(UniqueFunction<void()>& scenario, TestOptions options, std::uint64_t seed,
                  SourceLocation at) {
  try {
    run_test([&scenario] { scenario(); }, std::move(options), at);
  } catch (...) {
    fail(seed);
  }
}

}  // namespace

void detail::for_each_schedule(unsigned count, UniqueFunction<void()> scenario, TestOptions options,
                               SourceLocation at) {
  if (options.run.on_uncaught) {
    throw UsageError("for_each_schedule: on_uncaught cannot be used again for each schedule");
  }
  std::uint64_t first = options.seed.value_or(0);
  if (const char* const again = std::getenv("WEFT_SEED"); again != nullptr) {
    first = std::strtoull(again, nullptr, 10);
    count = 1;
  }
  for (std::uint64_t seed = first; seed != first + count; ++seed) {
    run_schedule(scenario, with_seed(options, seed), seed, at);
  }
}

void detail::fail_false() {
  throw TestFailure("the scenario returned false");
}

}  // namespace weft::testing
