// shrink: the smallest choice found that still fails.
//
// First fewer steps of the same seed, by halves; then without one step after the
// other, until each that is left is needed.
#pragma once

#include <concepts>
#include <vector>

#include <weft/tests/property/program.h>

namespace weft::property {

// Leaves out each step that `fails` does without. Whether it left out any.
template <std::predicate<const Choice&> Fails>
bool leave_out(Choice& failing, int& attempts, Fails& fails) {
  std::vector<int> numbers;
  collect_numbers(generate(failing).steps, numbers);
  bool is_smaller = false;
  for (const int number : numbers) {
    if (--attempts < 0) return false;
    Choice without = failing;
    without.skipped.insert(number);
    if (!fails(without)) continue;
    failing = without;
    is_smaller = true;
  }
  return is_smaller;
}

template <std::predicate<const Choice&> Fails>
Choice shrink(Choice failing, Fails fails) {
  constexpr int kAttemptsMax = 300;
  for (Choice shorter = failing; shorter.steps > 1;) {
    shorter.steps /= 2;
    if (!fails(shorter)) break;
    failing = shorter;
  }
  for (int attempts = kAttemptsMax; leave_out(failing, attempts, fails);) {
  }
  return failing;
}

}  // namespace weft::property
