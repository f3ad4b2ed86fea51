#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/runtime/detail/stack_pool.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/stack_pool");

constexpr std::size_t kBytes = 64 * 1024;

using PoolPtr = std::unique_ptr<StackPool, RetireStackPool>;

PoolPtr make_pool(StackGuards guards, std::size_t budget = 1000) {
  return PoolPtr(new StackPool(kBytes, guards, budget));
}

std::vector<StackMemory> acquire(StackPool& pool, std::size_t count) {
  std::vector<StackMemory> stacks;
  for (std::size_t i = 0; i < count; ++i) stacks.push_back(pool.acquire());
  return stacks;
}

void release(const std::vector<StackMemory>& stacks) {
  for (const StackMemory& stack : stacks) stack.pool->release(stack);
}

// Pages of the range that have memory behind them.
std::size_t resident_pages(const std::byte* low, const std::byte* high) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(low) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(high) + page - 1) / page * page;
  std::vector<unsigned char> state((end - first) / page);
  REQUIRE(::mincore(reinterpret_cast<void*>(first), end - first, state.data()) == 0);
  std::size_t resident = 0;
  for (const unsigned char one : state) resident += one & 1;
  return resident;
}

// Whether touching the byte ends the process.
__attribute__((no_sanitize("address"))) bool faults(volatile std::byte* byte) {
  return test::run_in_child([byte] { *byte = std::byte{1}; }).crashed();
}

TEST_CASE("a stack has the bytes asked for, rounded up to pages") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const PoolPtr pool(new StackPool(kBytes - 1, best_stack_guards(), protect_budget()));
  const StackMemory stack = pool->acquire();

  CHECK(pool->usable_bytes() == kBytes);
  CHECK(stack.size() > kBytes - page);
  CHECK(stack.size() <= kBytes);
  CHECK(reinterpret_cast<std::uintptr_t>(stack.high) % 64 == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(stack.low) % page == 0);

  stack.pool->release(stack);
}

TEST_CASE("below each stack lies a guard that faults, if the pool has guards") {
  StackGuards guards = StackGuards::kNone;
  SUBCASE("installed") {
    guards = best_stack_guards();
  }
  SUBCASE("protected") {
    guards = StackGuards::kProtect;
  }
  const PoolPtr pool = make_pool(guards);

  if (guards != StackGuards::kNone) {
    for (const StackMemory& stack : {pool->acquire(), pool->acquire()}) {
      CHECK(faults(stack.low - 1));
      CHECK(faults(stack.low - StackPool::kGuardBytes));
      CHECK_FALSE(faults(stack.low));
      CHECK_FALSE(faults(stack.high - 1));
      stack.pool->release(stack);
    }
  }
  CHECK(pool->statistics().unguarded == 0);
}

TEST_CASE("a pool without guards counts every stack as unguarded") {
  const PoolPtr pool = make_pool(StackGuards::kNone);
  const StackMemory stack = pool->acquire();

  CHECK_FALSE(faults(stack.low - 1));
  CHECK(pool->statistics().unguarded == pool->statistics().stacks);

  stack.pool->release(stack);
}

TEST_CASE("a pool with a budget for protected guards counts those beyond it") {
  const PoolPtr pool = make_pool(StackGuards::kProtect, 3);
  const StackMemory stack = pool->acquire();

  CHECK(pool->statistics().unguarded == pool->statistics().stacks - 3);

  stack.pool->release(stack);
}

TEST_CASE("guards survive that memory is returned to the system") {
  const PoolPtr pool = make_pool(best_stack_guards());
  release(acquire(*pool, StackPool::kWarmMax + StackPool::kBatch));
  REQUIRE(pool->statistics().cold > 0);

  const std::vector<StackMemory> stacks = acquire(*pool, pool->statistics().free);

  CHECK(faults(stacks.back().low - 1));
  release(stacks);
}

TEST_CASE("the stack released last is used first") {
  const PoolPtr pool = make_pool(best_stack_guards());
  const std::vector<StackMemory> stacks = acquire(*pool, 3);

  for (const StackMemory& stack : stacks) pool->release(stack);
  const std::vector<StackMemory> again = acquire(*pool, 3);

  CHECK(again[0].high == stacks[2].high);
  CHECK(again[1].high == stacks[1].high);
  CHECK(again[2].high == stacks[0].high);
  release(again);
}

TEST_CASE("stacks in use never overlap, with their guards between them") {
  const PoolPtr pool = make_pool(best_stack_guards());
  const std::vector<StackMemory> stacks = acquire(*pool, 300);

  std::set<const std::byte*> lows;
  for (const StackMemory& stack : stacks) lows.insert(stack.low);
  const std::byte* end = nullptr;
  for (const std::byte* low : lows) {
    CHECK(low >= end);
    end = low + pool->usable_bytes() + StackPool::kGuardBytes;
  }

  CHECK(lows.size() == 300);
  release(stacks);
}

TEST_CASE("the tops of neighbours lie in different cache lines of their pages") {
  const PoolPtr pool = make_pool(best_stack_guards());
  const std::vector<StackMemory> stacks = acquire(*pool, 16);

  std::set<std::uintptr_t> colours;
  for (const StackMemory& stack : stacks) {
    colours.insert(reinterpret_cast<std::uintptr_t>(stack.high) % 4096);
  }

  CHECK(colours.size() == 16);
  release(stacks);
}

TEST_CASE("of many free stacks the coldest give their memory back") {
  const PoolPtr pool = make_pool(best_stack_guards());
  const std::vector<StackMemory> stacks = acquire(*pool, StackPool::kWarmMax + StackPool::kBatch);
  for (const StackMemory& stack : stacks) *(stack.high - 1) = std::byte{1};
  REQUIRE(resident_pages(stacks[0].low, stacks[0].high) == 1);

  release(stacks);

  CHECK(pool->statistics().cold == StackPool::kBatch);
  CHECK(pool->statistics().free == pool->statistics().stacks);
  std::size_t resident = 0;
  for (const StackMemory& stack : stacks) resident += resident_pages(stack.low, stack.high);
  CHECK(resident == StackPool::kWarmMax);
}

TEST_CASE("cold stacks are used before new ones are made") {
  const PoolPtr pool = make_pool(best_stack_guards());
  release(acquire(*pool, StackPool::kWarmMax + StackPool::kBatch));
  const std::size_t made = pool->statistics().stacks;

  const std::vector<StackMemory> stacks = acquire(*pool, made);

  CHECK(pool->statistics().stacks == made);
  CHECK(pool->statistics().free == 0);
  for (const StackMemory& stack : stacks) *stack.low = *(stack.high - 1) = std::byte{1};
  release(stacks);
}

TEST_CASE("a retired pool lives until the last stack is back") {
  PoolPtr pool = make_pool(best_stack_guards());
  const std::vector<StackMemory> stacks = acquire(*pool, 2);

  pool.reset();
  for (const StackMemory& stack : stacks) *(stack.high - 1) = std::byte{1};

  stacks[0].pool->release(stacks[0]);
  CHECK(*(stacks[1].high - 1) == std::byte{1});
  stacks[1].pool->release(stacks[1]);
}

__attribute__((noinline)) int recurse(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

TEST_CASE("an overflow names the fiber, its stack's size and its place, and ends the process") {
  const test::ChildResult child = test::run_in_child([] {
    test::run([] {
      spawn([] { return recurse(1'000'000); }, {.name = "deep", .stack_bytes = kBytes}).join();
    });
  });

  CHECK(child.crashed());
  CHECK(child.says("weft: stack overflow in FIBER"));
  CHECK(child.says("'deep' (spawned at "));
  CHECK(child.says("stack_pool_test.cpp:"));
}

TEST_CASE("an overflow of the main fiber names the option that is the main fiber's") {
  const test::ChildResult child = test::run_in_child([] { run([] { recurse(100'000'000); }); });

  CHECK(child.crashed());
  CHECK(child.says("'main' (spawned at "));
  CHECK(child.says("give it more with RunOptions::main_stack_bytes"));
}

TEST_CASE("an overflow of a pool's thread names the pool") {
  const test::ChildResult child =
      test::run_in_child([] { run([] { offload([] { return recurse(100'000'000); }); }); });

  CHECK(child.crashed());
  CHECK(child.says("stack overflow in a function given to offload"));
  CHECK(child.says("pool 'cpu'"));
}

#ifndef WEFT_ASAN
__attribute__((noinline)) int large_frame() {
  volatile char frame[256 * 1024];
  frame[0] = 1;
  return frame[0];
}

TEST_CASE("a frame larger than the guard does not jump over it") {
  const test::ChildResult child = test::run_in_child([] {
    test::run([] {
      spawn([] { return large_frame(); }, {.name = "wide", .stack_bytes = kBytes}).join();
    });
  });

  CHECK(child.crashed());
  CHECK(child.says("'wide'"));
}

TEST_CASE("a parked fiber costs one page of its stack") {
  std::size_t resident = 0;

  test::run([&] {
    const auto park = [] { sleep_for(1ms); };
    spawn(park).join();  // the dynamic linker binds what it calls on another stack
    auto& pool = EventLoop::current("test").stacks(2 * kBytes);
    const StackMemory stack = pool.acquire();
    pool.release(stack);
    auto parked = spawn(park, {.stack_bytes = 2 * kBytes});
    yield();
    resident = resident_pages(stack.low, stack.high);
    parked.join();
  });

  CHECK(resident == 1);
}
#endif

TEST_SUITE_END();

}  // namespace
}  // namespace weft::detail
