// for_each_schedule: a scenario under thousands of orders in which its fibers may run.
//
//   for_each_schedule(2000, [] {
//     Account account;
//     task_group([&](TaskGroup& group) {
//       for (int i = 0; i < 3; ++i) group.spawn([&] { account.pay_in(10); });
//     });
//     if (account.sum() != 30) throw std::logic_error("money was lost");
//   });
//
// A fiber runs until it waits, so what a wrong order can break is what a fiber read before
// it waited and uses after. Each schedule is a run_test() with the next seed
// (TestOptions::seed tells what is shuffled). The first that fails ends the sweep, and
// WEFT_SEED=<seed> in the environment runs that one again, alone.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include <weft/runtime/testing/run_test.h>

namespace weft::testing {

// What a schedule threw is nested in it, and told by what().
class ScheduleFailure : public TestFailure {
 public:
  ScheduleFailure(std::uint64_t seed, const std::string& what) : TestFailure(what), seed_(seed) {}

  std::uint64_t seed() const noexcept { return seed_; }

 private:
  std::uint64_t seed_;
};

namespace detail {

void for_each_schedule(unsigned count, UniqueFunction<void()> scenario, TestOptions options,
                       SourceLocation at);
[[noreturn]] void fail_false();

}  // namespace detail

// Runs `scenario` under `count` schedules, from options.seed (0) on. It fails by an
// exception, by returning false, or by what run_test() finds. options.run must have no
// function: it is used for each schedule.
//
// Errors: ScheduleFailure, which names the seed.
template <std::invocable Scenario>
void for_each_schedule(unsigned count, Scenario&& scenario, TestOptions options = {},
                       SourceLocation at = SourceLocation::current()) {
  detail::for_each_schedule(
      count,
      [&scenario] {
        if constexpr (std::is_same_v<std::invoke_result_t<Scenario&>, bool>) {
          if (!std::invoke(scenario)) detail::fail_false();
        } else {
          std::invoke(scenario);
        }
      },
      std::move(options), at);
}

}  // namespace weft::testing
