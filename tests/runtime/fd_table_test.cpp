#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include <weft/runtime/run.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/fd_table");

// How many descriptors the kernel has room for without another table.
int room() {
  std::ifstream status("/proc/self/status");
  std::string word;
  int size = 0;
  while (status >> word) {
    if (word == "FDSize:") status >> size;
  }
  return size;
}

int highest_descriptor() {
  int highest = -1;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    highest = std::max(highest, std::stoi(entry.path().filename()));
  }
  return highest;
}

TEST_CASE("the first run makes room for all descriptors, and leaves none open") {
  const auto child = test::run_in_child([] {
    const rlimit limit{2048, 4096};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    run([] {
      if (room() < 2048) throw std::runtime_error("room for " + std::to_string(room()));
    });
    if (highest_descriptor() >= 1024) throw std::runtime_error("one is still open");
  });

  CHECK(child.errors == "");
  CHECK(child.status == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
