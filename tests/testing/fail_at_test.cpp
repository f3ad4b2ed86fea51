#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/snapshot.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/testing/fail_at.h>
#include <weft/runtime/timers.h>

namespace weft {
namespace {

using testing::fail_each_allocation;
using testing::FailAt;
using testing::TestFailure;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("testing/fail_at");

// A new-expression whose memory goes nowhere may be left out by the compiler; a call may not.
struct Allocation {
  Allocation() : block(::operator new(16)) {}
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation() { ::operator delete(block); }
  void* block;
};

TEST_CASE("the allocation chosen fails, once") {
  std::string outcome;
  std::uint64_t count = 0;
  {
    const FailAt second(2);
    const auto allocate = [&] {
      try {
        const Allocation allocation;
        outcome += '+';
      } catch (const std::bad_alloc&) {
        outcome += '-';
      }
    };
    for (int i = 0; i < 4; ++i) allocate();
    count = second.count();
  }

  CHECK(outcome == "+-++");
  CHECK(count == 4);
}

TEST_CASE("forms that do not throw fail with null") {
  void* block = &block;
  {
    const FailAt first(1);
    block = ::operator new (64, std::align_val_t{64}, std::nothrow);
  }

  CHECK(block == nullptr);
}

TEST_CASE("each allocation of a scenario fails in turn") {
  const auto sweep = fail_each_allocation([] {
    const Allocation one;
    try {
      const Allocation two;
    } catch (const std::bad_alloc&) {
    }
  });

  CHECK(sweep.allocations == 2);
  CHECK(sweep.errors == 1);
}

TEST_CASE("a context that is left when memory runs out is found, with the allocation") {
  const AsyncLocal<int> local;
  static std::optional<Snapshot> kept;
  std::string text;
  try {
    fail_each_allocation([&] {
      local.run(1, [&] {
        kept = Snapshot::capture();
        const std::vector<int> numbers(1000);
        kept.reset();
      });
    });
  } catch (const TestFailure& failure) {
    text = failure.what();
  } catch (const std::bad_alloc&) {
  }
  kept.reset();

  CHECK(text.find("fail_each_allocation, number ") != std::string::npos);
}

TEST_CASE("spawn, timers and channels pass on that memory has run out") {
  const auto sweep = fail_each_allocation([] {
    Channel<std::string> channel(2);
    task_group([&](TaskGroup& group) {
      group.spawn([&] { channel.send(std::string(100, 'x')); }, {.name = std::string(100, 'n')});
      group.spawn([&] { channel.receive(); });
      sleep_for(1ms);
    });
  });

  CHECK(sweep.allocations > 0);
}

TEST_CASE("a process that forks needs no memory for the pools of its child") {
  const Pool pool({.name = "one"});
  pid_t child = -1;
  {
    const FailAt first(1);
    try {
      child = ::fork();
    } catch (const std::bad_alloc&) {
      ::_exit(1);
    }
    if (child == 0) ::_exit(first.count() == 0 ? 0 : 2);
  }
  int status = -1;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
