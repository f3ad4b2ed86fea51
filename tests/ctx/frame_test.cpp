// What a frame answers for locals that come and go.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/capture.h>
#include <weft/ctx/snapshot.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using detail::FrameRef;
using detail::LocalId;
using test::ContextTest;
using test::Mortal;
using test::seen;
using test::Trace;

// The slot and key which the next local gets.
LocalId peek_at_next_local() {
  const LocalId next = detail::acquire_local();
  detail::release_local(next);
  return next;
}

// Runs the test for each of these numbers of locals.
int each_count() {
  int count = 0;
  SUBCASE("one") {
    count = 1;
  }
  SUBCASE("eight") {
    count = 8;
  }
  SUBCASE("sixteen") {
    count = 16;
  }
  SUBCASE("seventeen") {
    count = 17;
  }
  SUBCASE("sixty-four") {
    count = 64;
  }
  return count;
}

TEST_SUITE_BEGIN("ctx/frame");

TEST_CASE_FIXTURE(ContextTest, "a slot is reused and its key is not") {
  const LocalId first = peek_at_next_local();
  const LocalId second = peek_at_next_local();

  CHECK(first.slot == second.slot);
  CHECK(first.key < second.key);
}

TEST_CASE_FIXTURE(ContextTest,
                  "a frame that outlives its local answers for no later one in its slot") {
  auto dead = std::make_unique<AsyncLocal<int>>();
  dead->enter_with(7);
  dead.reset();

  const AsyncLocal<std::string> later;

  CHECK(later.get() == nullptr);
  later.run("A", [&] { CHECK(seen(later) == "A"); });
  CHECK(later.get() == nullptr);
}

TEST_CASE_FIXTURE(ContextTest, "a captured frame answers for no later local at the same address") {
  std::optional<AsyncLocal<std::string>> local(std::in_place);
  std::optional<Snapshot> snapshot;
  local->run("A", [&] { snapshot.emplace(Snapshot::capture()); });

  local.reset();
  local.emplace();

  CHECK((*snapshot)([&] { return seen(*local); }) == "none");
}

TEST_CASE_FIXTURE(ContextTest, "a local that dies while frames hold its value leaves it to them") {
  Trace trace;
  std::optional<AsyncLocal<Mortal>> local(std::in_place);
  std::optional<Snapshot> snapshot;
  local->run(Mortal(trace, "A"), [&] { snapshot.emplace(Snapshot::capture()); });

  local.reset();
  trace.push_back("local is gone");
  snapshot.reset();

  CHECK(trace == Trace{"local is gone", "A dies"});
}

TEST_CASE_FIXTURE(ContextTest, "a value of a dead local dies when its slot is taken") {
  Trace trace;
  std::optional<AsyncLocal<Mortal>> dead(std::in_place);
  dead->enter_with(Mortal(trace, "A"));
  dead.reset();

  const AsyncLocal<std::string> later;
  later.enter_with("B");
  trace.push_back(seen(later));

  CHECK(trace == Trace{"A dies", "B"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "a scope whose local died takes nothing from the next local in its slot") {
  std::optional<AsyncLocal<std::string>> dying(std::in_place);
  std::optional<AsyncLocal<std::string>> later;
  SUBCASE("with a value before") {
    dying->enter_with("before");
  }
  SUBCASE("without"){}

  {
    const auto scope = dying->scope("A");
    dying.reset();
    later.emplace();
    later->enter_with("B");
  }

  CHECK(seen(*later) == "B");
}

TEST_CASE_FIXTURE(ContextTest, "any number of locals keep their values apart") {
  const int count = each_count();
  std::vector<std::unique_ptr<AsyncLocal<int>>> locals;
  int wrong = 0;

  for (int i = 0; i < count; ++i) {
    locals.push_back(std::make_unique<AsyncLocal<int>>());
    locals.back()->enter_with(i);
  }
  for (int i = 0; i < count; ++i) wrong += locals[static_cast<std::size_t>(i)]->value() != i;
  for (int i = 0; i < count; i += 2) locals[static_cast<std::size_t>(i)]->disable();
  for (int i = 0; i < count; ++i) {
    wrong += (locals[static_cast<std::size_t>(i)]->get() == nullptr) != (i % 2 == 0);
  }

  CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(ContextTest, "a million locals made and dropped take one slot") {
  const LocalId before = peek_at_next_local();
  std::uint32_t highest = 0;

  for (int i = 0; i < 1'000'000; ++i) {
    const LocalId local = detail::acquire_local();
    highest = std::max(highest, local.slot);
    detail::release_local(local);
  }

  CHECK(highest == before.slot);
}

TEST_CASE_FIXTURE(ContextTest, "the lowest free slot is taken first") {
  std::array<LocalId, 4> taken{};
  for (LocalId& local : taken) local = detail::acquire_local();
  const auto [a, b, c, d] = taken;

  detail::release_local(d);
  detail::release_local(a);
  detail::release_local(c);
  const LocalId first = detail::acquire_local();
  const LocalId second = detail::acquire_local();
  for (const LocalId local : {b, first, second}) detail::release_local(local);

  CHECK(first.slot == a.slot);
  CHECK(second.slot == c.slot);
}

TEST_CASE_FIXTURE(ContextTest, "a capture is the frame itself while every value is inherited") {
  const AsyncLocal<std::string> local;
  local.enter_with("A");
  const std::int64_t frames = detail::thread_state.live_frames;

  const FrameRef one = detail::capture();
  const FrameRef two = detail::capture();

  CHECK(one.get() == detail::thread_state.execution->frame);
  CHECK(two.get() == one.get());
  CHECK(detail::thread_state.live_frames == frames);
}

TEST_CASE_FIXTURE(ContextTest, "the empty context has no frame") {
  const AsyncLocal<std::string> local;
  const AsyncLocal<std::string> secret({.inherit = Inherit::kNo});

  local.enter_with("A");
  local.disable();
  CHECK(detail::capture().get() == nullptr);
  secret.run("B", [] { CHECK(detail::capture().get() == nullptr); });
}

TEST_CASE_FIXTURE(ContextTest, "frame references count what they hold") {
  Trace trace;
  const AsyncLocal<Mortal> local;
  FrameRef kept;

  local.run(Mortal(trace, "A"), [&] { kept = detail::capture(); });
  FrameRef copy = kept;
  kept.reset();
  trace.push_back("one reference left");
  FrameRef& same = copy;
  copy = std::move(same);
  copy = same;
  kept = std::move(copy);
  trace.push_back("moved");
  kept = FrameRef();

  CHECK(trace == Trace{"one reference left", "moved", "A dies"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
