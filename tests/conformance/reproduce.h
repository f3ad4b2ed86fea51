// reproduce: runs a scenario and compares its life with the one Node's has.
//
//   reproduce("timeout", [](Life& life) { ... });
//
// expected/timeout.trace holds the lines; README.md of this folder has the format.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/detail/thread_state.h>
#include <weft/tests/conformance/life.h>

namespace weft::test {

struct Expected {
  Level level = Level::kFull;
  Trace lines;  // weft's where it differs, Node's otherwise
};

// Behind "-- loop empty" come the destroys of what the program still owns. Node's garbage
// collector has no order for them, so both sides are sorted.
inline void sort_tail(Trace& lines) {
  const auto empty = std::find(lines.begin(), lines.end(), "-- loop empty");
  std::sort(empty, lines.end());
}

inline Expected read_expected(const std::string& name) {
  const auto folder = std::filesystem::path(__FILE__).parent_path();
  std::ifstream file(folder / "expected" / (name + ".trace"));
  INFO("this file leads to the data; run from the build's root directory");
  REQUIRE(file.is_open());

  Expected expected;
  bool in_section = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "compare: pruned") expected.level = Level::kPruned;
    if (line == "node:" || line == "weft:") {
      in_section = true;
      expected.lines.clear();
    } else if (in_section) {
      expected.lines.push_back(line);
    }
  }
  sort_tail(expected.lines);
  return expected;
}

template <std::invocable<Life&> Scenario>
void reproduce(const std::string& name, Scenario scenario) {
  CAPTURE(name);
  const Expected expected = read_expected(name);
  const std::int64_t frames_before = detail::thread_state.live_frames;
  Life life;

  scenario(life);
  life.end();
  Trace lines = life.lines(expected.level);
  sort_tail(lines);

  CHECK(lines == expected.lines);
  CHECK(detail::thread_state.live_frames == frames_before);
}

}  // namespace weft::test
