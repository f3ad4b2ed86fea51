// What a stack costs: its first use, and a fiber that sleeps on it.
//
// Every sample is a child process, so that no stack is warm and none is left.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <sys/mman.h>

#include <boost/fiber/all.hpp>
#include <boost/fiber/protected_fixedsize_stack.hpp>

#include "rounds.h"
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::size_t kPageBytes = 4096;
constexpr long kFirstUses = 10000;
constexpr long kPeerSleepers = 100000;
constexpr long kSleepers = 1000000;

// Returns the resident memory and the page tables of this process, in bytes.
double resident_bytes() {
  std::ifstream status("/proc/self/status");
  double kib = 0;
  for (std::string word; status >> word;) {
    if (word != "VmRSS:" && word != "VmPTE:") continue;
    double value = 0;
    status >> value;
    kib += value;
  }
  return kib * 1024;
}

using Start = void (*)(long n, const std::function<void()>& then);

// Returns the time in which `start` brings `n` fibers to sleep.
template <Start start>
double first_use(long n) {
  return bench::in_child([n](const auto& finish) {
    const auto from = std::chrono::steady_clock::now();
    start(n, [from, &finish] {
      finish(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - from)
                 .count());
    });
  });
}

// Returns the memory with which `start` brings `n` fibers to sleep.
template <Start start>
double memory(long n) {
  return bench::in_child([n](const auto& finish) {
    const double before = resident_bytes();
    start(n, [before, &finish] { finish(resident_bytes() - before); });
  });
}

// One slab, one guard per stack, one page touched: what the kernel asks for.
void start_raw(long n, const std::function<void()>& then) {
  const auto count = static_cast<std::size_t>(n);
  void* const slab = mmap(nullptr, count * kStackBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (slab == MAP_FAILED) std::abort();
  madvise(slab, count * kStackBytes, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < count; ++i) {
    char* const stack = static_cast<char*>(slab) + i * kStackBytes;
    if (madvise(stack, kPageBytes, MADV_GUARD_INSTALL) != 0) {
      mprotect(stack, kPageBytes, PROT_NONE);
    }
    bench::keep(stack[kStackBytes - 1] = 1);
  }
  then();
}

template <typename Stacks>
void start_boost(long n, const std::function<void()>& then) {
  long started = 0;
  for (long i = 0; i < n; ++i) {
    boost::fibers::fiber(boost::fibers::launch::dispatch, std::allocator_arg, Stacks(kStackBytes),
                         [&started] {
                           ++started;
                           boost::this_fiber::sleep_for(std::chrono::hours(1));
                         })
        .detach();
  }
  if (started != n) std::abort();
  then();
}

void start_weft(long n, const std::function<void()>& then) {
  weft::run([n, &then] {
    long started = 0;
    for (long i = 0; i < n; ++i) {
      weft::spawn([&started] {
        ++started;
        weft::sleep_for(std::chrono::hours(1));
      }).detach();
    }
    while (started != n) weft::yield();
    then();
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  using boost::fibers::fixedsize_stack;
  using boost::fibers::protected_fixedsize_stack;
  rounds.compare("first use of a guarded stack", "ns",
                 {{"floor", "guard + page fault", first_use<start_raw>, kFirstUses},
                  {"peer", "Boost.Fiber protected",
                   first_use<start_boost<protected_fixedsize_stack>>, kFirstUses},
                  {"ours", "weft", first_use<start_weft>, kFirstUses}});
  rounds.compare("sleeping fiber", "B",
                 {{"floor", "guard + page, 1,000,000", memory<start_raw>, kSleepers},
                  {"peer", "Boost.Fiber, no guard, 100,000", memory<start_boost<fixedsize_stack>>,
                   kPeerSleepers},
                  {"ours", "weft, 1,000,000", memory<start_weft>, kSleepers}});
  return rounds.status();
}
