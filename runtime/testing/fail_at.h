// FailAt: the n-th allocation fails.
//
//   const AllocationSweep sweep = fail_each_allocation([] { Cache cache; cache.put("key", 1); });
//   REQUIRE(sweep.allocations > 0);
//
// For programs that link weft_testing (pkg-config weft_testing), which replaces operator
// new and delete: nobody else pays for it. What waits instead of allocating fails in
// cancel_everywhere().
#pragma once

#include <concepts>
#include <cstdint>
#include <new>
#include <utility>

#include <weft/runtime/testing/run_test.h>

namespace weft::testing {

// While it lives, the n-th operator new of its thread, counted from 1 and from its
// construction, throws std::bad_alloc; once. 0: none does, they are only counted. One at
// a time; the thread's fibers and callbacks count together.
class FailAt {
 public:
  explicit FailAt(std::uint64_t n) noexcept;
  FailAt(const FailAt&) = delete;
  FailAt& operator=(const FailAt&) = delete;
  ~FailAt();

  bool has_failed() const noexcept;
  // Allocations so far, the failed one too.
  std::uint64_t count() const noexcept;
};

struct AllocationSweep {
  std::uint64_t allocations = 0;  // that failed, each in a run of its own
  std::uint64_t errors = 0;       // runs that ended with std::bad_alloc; the others coped
};

namespace detail {

AllocationSweep fail_each_allocation(UniqueFunction<void()> scenario);

}  // namespace detail

// Runs `scenario` with its first allocation failing, its second, and so on, until it has
// no more; each in a run_test(), so that nothing may be left. It ends as it does, or with
// std::bad_alloc, which may come in a GroupError. An assertion that allocates comes after it, not
// inside.
//
// Errors: TestFailure, which names the allocation; what the scenario throws besides.
template <std::invocable Scenario>
AllocationSweep fail_each_allocation(Scenario&& scenario) {
  return detail::fail_each_allocation([&scenario] { static_cast<void>(std::invoke(scenario)); });
}

}  // namespace weft::testing
