#include <set>
#include <thread>

#include <doctest/doctest.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::ContextTest;

// An id is the number of its source (a loop, or a thread without one) and a count.
AsyncId source_of(AsyncId id) {
  return id >> 48;
}
AsyncId count_of(AsyncId id) {
  return id & 0x0000'ffff'ffff'ffff;
}

// Made before any test runs: the ids of the first loop of the process.
const AsyncId first_id_of_first_source = [] {
  const detail::IdSource ids;
  return detail::next_async_id();
}();

TEST_SUITE_BEGIN("ctx/async_id");

TEST_CASE("the first loop's ids are the small numbers Node prints") {
  CHECK(first_id_of_first_source == 1);
}

TEST_CASE("outside of every resource the ids are 0 and the resource is null") {
  std::thread([] {
    CHECK(execution_async_id() == 0);
    CHECK(trigger_async_id() == 0);
    CHECK(execution_async_resource() == nullptr);
  }).join();
}

TEST_CASE_FIXTURE(ContextTest, "inside a resource the ids are its own") {
  AsyncResource outer("OUTER");
  AsyncResource inner("INNER", {.trigger = outer.async_id()});
  const AsyncId before = execution_async_id();

  outer.run_in_async_scope([&] {
    CHECK(execution_async_id() == outer.async_id());
    CHECK(trigger_async_id() == before);
    CHECK(execution_async_resource() == &outer);
    inner.run_in_async_scope([&] {
      CHECK(execution_async_id() == inner.async_id());
      CHECK(trigger_async_id() == outer.async_id());
      CHECK(execution_async_resource() == &inner);
    });
    CHECK(execution_async_id() == outer.async_id());
    CHECK(execution_async_resource() == &outer);
  });

  CHECK(execution_async_id() == before);
  CHECK(execution_async_resource() == nullptr);
}

TEST_CASE_FIXTURE(ContextTest, "ids count up by one, whether hooks are enabled or not") {
  const AsyncResource first("JOB");
  const AsyncResource second("JOB");

  CHECK(count_of(first.async_id()) == 2);
  CHECK(second.async_id() == first.async_id() + 1);
}

TEST_CASE("each source of ids counts from 1 under a number of its own") {
  std::set<AsyncId> numbers;

  for (int i = 0; i < 3; ++i) {
    const detail::IdSource ids;
    const AsyncId first = detail::next_async_id();
    CHECK(count_of(first) == 1);
    numbers.insert(source_of(first));
  }

  CHECK(numbers.size() == 3);
}

TEST_CASE("ids of an inner source do not disturb the outer one") {
  const detail::IdSource outer;
  const AsyncId first = detail::next_async_id();
  {
    const detail::IdSource inner;
    CHECK(source_of(detail::next_async_id()) != source_of(first));
  }

  CHECK(detail::next_async_id() == first + 1);
}

TEST_CASE("threads without a loop make ids that no loop makes") {
  AsyncId first = 0;
  AsyncId second = 0;

  std::thread([&] { first = AsyncResource("JOB").async_id(); }).join();
  std::thread([&] { second = AsyncResource("JOB").async_id(); }).join();

  CHECK(source_of(first) > 0x8000);  // from the top down, where loops count up
  CHECK(source_of(second) > 0x8000);
  CHECK(first != second);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
