// Campaign: many programs, one after the other; what fails is made small and shown
// with the command that runs it again.
//
//   WEFT_PROGRAMS=20000 property_test     # more of them
//   WEFT_FIRST_SEED=5000 property_test    # others
//   WEFT_SEED=7 WEFT_STEPS=24 WEFT_SKIP=3,8 property_test  # this one, in this process
//
// Programs run in child processes, some hundred in each: one that crashes, hangs or
// leaks is found like one that breaks a rule.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/tests/property/findings.h>
#include <weft/tests/property/program.h>
#include <weft/tests/property/shrink.h>
#include <weft/tests/support/harness.h>

#ifdef WEFT_ASAN
extern "C" int __lsan_do_recoverable_leak_check();
#endif

namespace weft::property {

// A number from the environment, or what stands for none.
inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Campaign {
 public:
  using Check = Findings (*)(const Choice& choice);

  // `suite` is what selects the check on the command line.
  Campaign(std::string suite, Check checks, std::uint64_t programs, bool has_sockets = false)
      : suite_(std::move(suite)),
        check_(checks),
        programs_(from_environment("WEFT_PROGRAMS", programs)),
        has_sockets_(has_sockets) {}

  // Reports to doctest.
  void run() const {
    if (std::getenv("WEFT_SEED") != nullptr) return replay();
    const auto began = std::chrono::steady_clock::now();
    const std::uint64_t first = from_environment("WEFT_FIRST_SEED", 1);
    const std::uint64_t end = first + programs_;
    for (std::uint64_t seed = first; seed < end; seed += kBatch) {
      if (!run_batch(seed, std::min(seed + kBatch, end))) return;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    MESSAGE(programs_, " programs in ", took.count(), " s");
  }

 private:
  static constexpr std::uint64_t kBatch = 200;
  // Of time on the clock; a program takes milliseconds.
  static constexpr unsigned kBatchSecondsMax = 120;
  static constexpr unsigned kProgramSecondsMax = 15;
  static constexpr std::chrono::seconds kShrinkingMax{90};

  // Programs of several sizes, for short ones to be found first.
  Choice choice_of(std::uint64_t seed) const {
    constexpr int kSizes[] = {12, 24, 48, 96};
    return {.seed = seed, .steps = kSizes[seed % 4], .has_sockets = has_sockets_};
  }

  Choice choice_of_environment() const {
    Choice choice = choice_of(from_environment("WEFT_SEED", 1));
    choice.steps =
        static_cast<int>(from_environment("WEFT_STEPS", static_cast<std::uint64_t>(choice.steps)));
    std::istringstream skipped(std::getenv("WEFT_SKIP") == nullptr ? "" : std::getenv("WEFT_SKIP"));
    for (std::string number; std::getline(skipped, number, ',');) {
      choice.skipped.insert(std::stoi(number));
    }
    return choice;
  }

  void replay() const {
    const Choice choice = choice_of_environment();
    MESSAGE("seed ", choice.seed, ", ", choice.steps, " steps\n", listing(generate(choice).steps));
    const Findings findings = check_(choice);
    CHECK_MESSAGE(findings.is_empty(), findings.listing());
  }

  // In a child.
  void check_or_exit(const Choice& choice) const {
    const Findings findings = check_(choice);
    if (findings.is_empty()) return;
    std::fputs(findings.listing().c_str(), stderr);
    std::_Exit(kBroken);
  }

  static void check_leaks() {
#ifdef WEFT_ASAN
    if (__lsan_do_recoverable_leak_check() != 0) std::_Exit(kLeaked);
#endif
  }

  test::ChildResult in_child(const Choice& choice) const {
    return test::run_in_child([this, &choice] {
      ::alarm(kProgramSecondsMax);
      check_or_exit(choice);
      check_leaks();
    });
  }

  bool fails(const Choice& choice) const {
    return in_child(choice).status != 0;
  }

  bool run_batch(std::uint64_t first, std::uint64_t end) const {
    const test::ChildResult result = test::run_in_child([this, first, end] {
      ::alarm(kBatchSecondsMax);
      for (std::uint64_t seed = first; seed < end; ++seed) check_or_exit(choice_of(seed));
      check_leaks();
    });
    if (result.status == 0) return true;
    for (std::uint64_t seed = first; seed < end; ++seed) {
      if (fails(choice_of(seed))) return report(choice_of(seed)), false;
    }
    FAIL_CHECK("programs ", first, " to ", end - 1, " fail together, none alone:\n",
               excerpt(result));
    return false;
  }

  void report(const Choice& choice) const {
    const auto end = std::chrono::steady_clock::now() + kShrinkingMax;
    const Choice smallest = shrink(choice, [this, end](const Choice& smaller) {
      return std::chrono::steady_clock::now() < end && fails(smaller);
    });
    FAIL_CHECK("seed ", choice.seed, " fails; run it again with\n  ", command(choice),
               "\nthe smallest part of it that fails, with\n  ", command(smallest), "\nis\n",
               listing(generate(smallest).steps), excerpt(in_child(smallest)));
  }

  std::string command(const Choice& choice) const {
    std::string skipped;
    for (const int number : choice.skipped) {
      skipped += (skipped.empty() ? " WEFT_SKIP=" : ",") + std::to_string(number);
    }
    return "WEFT_SEED=" + std::to_string(choice.seed) +
           " WEFT_STEPS=" + std::to_string(choice.steps) + skipped + " " +
           std::filesystem::read_symlink("/proc/self/exe").string() + " --test-suite=" + suite_;
  }

  static std::string excerpt(const test::ChildResult& result) {
    constexpr std::size_t kShown = 6000;
    const std::string end = result.signal != 0 ? "signal " + std::to_string(result.signal)
                                               : "status " + std::to_string(result.status);
    return "it ended with " + end + "\n" + result.errors.substr(0, kShown);
  }

  static constexpr int kBroken = 3;
  static constexpr int kLeaked = 4;

  std::string suite_;
  Check check_;
  std::uint64_t programs_;
  bool has_sockets_;
};

}  // namespace weft::property
