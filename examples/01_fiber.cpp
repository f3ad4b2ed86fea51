// A first fiber: start it, wait for its result, catch what it threw: ./dev run fiber
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include <weft/runtime/runtime.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

int usage(std::string_view argument) {
  const bool asked = argument == "--help";
  std::fputs("usage: fiber\nStarts fibers and waits for them.\n", asked ? stdout : stderr);
  return asked ? 0 : 2;
}

int add(int a, int b) {
  std::puts("fiber: adding");
  sleep_for(20ms);  // this fiber waits; the others and the loop go on
  return a + b;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(argv[1]);

  return run([] {
    // A fiber first runs when the one that started it waits.
    Task<int> sum = spawn([] { return add(1, 2); });
    std::puts("main: started a fiber");
    std::printf("main: the sum is %d\n", sum.join());

    // What a fiber throws arrives where it is joined.
    Task<void> failing = spawn([] { throw std::runtime_error("no such table"); });
    try {
      failing.join();
    } catch (const std::runtime_error& error) {
      std::printf("main: the fiber failed: %s\n", error.what());
    }

    // A fiber nobody joins goes on; run() returns when nothing is left to do.
    spawn([] {
      sleep_for(20ms);
      std::puts("fiber: the last one");
    });
    std::puts("main: done");
  });
}
