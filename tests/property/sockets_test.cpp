#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <doctest/doctest.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/tests/property/campaign.h>
#include <weft/tests/property/interpreter.h>

namespace weft::property {
namespace {

TEST_SUITE_BEGIN("property/sockets");

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
constexpr std::uint64_t kPrograms = 500;
#else
constexpr std::uint64_t kPrograms = 1'000;
#endif

TEST_CASE("whatever happens on sockets, each callback comes once and in its context") {
  Campaign("property/sockets", check_program, kPrograms, true).run();
}

TEST_CASE("programs with sockets reach every step") {
  std::array<std::size_t, kOps.size()> performed = {};

  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Choice choice{.seed = seed, .steps = 96, .has_sockets = true};
    const Outcome outcome = run_in_mode(generate(choice), kModes[0]);
    std::transform(performed.begin(), performed.end(), outcome.performed.begin(), performed.begin(),
                   std::plus<>());
  }

  for (std::size_t i = 0; i < kOps.size(); ++i)
    CHECK_MESSAGE(performed[i] > 0, std::string(kOps[i].name));
}

}  // namespace
}  // namespace weft::property
