#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/tests/property/campaign.h>
#include <weft/tests/property/interpreter.h>

namespace weft::property {
namespace {

TEST_SUITE_BEGIN("property/programs");

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
constexpr std::uint64_t kPrograms = 2'000;
#else
constexpr std::uint64_t kPrograms = 5'000;
#endif

TEST_CASE("whatever a program does, contexts and lives are right and hooks change nothing") {
  Campaign("property/programs", check_program, kPrograms).run();
}

TEST_CASE("programs reach every step") {
  std::array<std::size_t, kOps.size()> performed = {};

  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Outcome outcome = run_in_mode(generate({.seed = seed, .steps = 96}), kModes[0]);
    std::transform(performed.begin(), performed.end(), outcome.performed.begin(), performed.begin(),
                   std::plus<>());
  }

  for (std::size_t i = 0; i < kOps.size(); ++i)
    CHECK_MESSAGE((performed[i] > 0 || kOps[i].needs_sockets), std::string(kOps[i].name));
}

TEST_CASE("the same choice makes the same program, and the same log") {
  std::size_t lines = 0;

  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Choice choice{.seed = seed, .steps = 96};
    const Outcome first = run_in_mode(generate(choice), kModes[0]);
    const Outcome second = run_in_mode(generate(choice), kModes[0]);
    CHECK(first.log == second.log);
    lines += first.log.size();
  }

  CHECK(lines > 400);
}

TEST_CASE("logs that differ name the first line in which they do") {
  Log log;
  Log other;
  log.write("enters", 1, Context{});
  other.write("enters", 1, Context{});
  log.write("enters", 2, Context{});
  other.write("enters", 3, Context{});

  CHECK_FALSE(log == other);
  CHECK(log.difference(other).find("line 1 is \"enters 2") == 0);
}

// Whether some step of the program is `op`.
bool has(const Steps& steps, Op op) {
  return std::any_of(steps.begin(), steps.end(),
                     [op](const Step& step) { return step.op == op || has(step.body, op); });
}

TEST_CASE("a failing program shrinks to the steps that make it fail") {
  const auto fails = [](const Choice& choice) {
    const Steps steps = generate(choice).steps;
    return has(steps, Op::kInterval) && has(steps, Op::kJoin);
  };
  Choice failing{.seed = 1, .steps = 200};
  while (!fails(failing)) ++failing.seed;

  const Choice smallest = shrink(failing, fails);

  std::vector<int> left;
  collect_numbers(generate(smallest).steps, left);
  REQUIRE(fails(smallest));
  for (const int number : left) {
    Choice without = smallest;
    without.skipped.insert(number);
    CHECK_FALSE(fails(without));
  }
}

}  // namespace
}  // namespace weft::property
