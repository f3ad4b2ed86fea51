// destroy on a real loop: when it is queued, when it comes, and that none is lost.
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/emit.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

constexpr int kMany = 40'000;

void make_and_drop() {
  const AsyncResource job("JOB");
}

// Counts destroys and those that come out of order.
struct Counter {
  int heard = 0;
  int disordered = 0;
  AsyncId last = 0;

  AsyncHook hook() {
    return create_hook({.destroy = [this](AsyncId id) {
      ++heard;
      disordered += id <= std::exchange(last, id);
    }});
  }
};

TEST_SUITE_BEGIN("conformance/semantics/destroy");

TEST_CASE("40,000 destroys of one turn come in order, once each, before the next callback") {
  Counter counter;
  auto hook = counter.hook();
  int inside = -1;
  int behind = -1;

  test::run([&] {
    hook.enable();
    set_immediate([&] {
      counter.heard = 0;
      counter.last = 0;
      for (int i = 0; i < kMany; ++i) make_and_drop();
      inside = counter.heard;
    });
    set_immediate([&] {
      behind = counter.heard;
      hook.disable();
    });
  });

  CHECK(inside == 0);
  CHECK(behind == kMany + 1);      // and that of the first immediate
  CHECK(counter.disordered == 1);  // that one is older, and ended last
}

TEST_CASE("a chain of 40,000 destroys, each queued by the one before, does not recurse") {
  int heard = 0;
  const char* lowest = nullptr;
  const char* highest = nullptr;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    const char here = 0;
    if (lowest == nullptr || &here < lowest) lowest = &here;
    if (highest == nullptr || &here > highest) highest = &here;
    if (++heard < kMany) make_and_drop();
  }});

  test::run([&] {
    hook.enable();
    make_and_drop();
    sleep_for(1ms);
    hook.disable();
  });

  CHECK(heard >= kMany);
  CHECK(highest == lowest);
}

TEST_CASE(
    "a destroy is heard if a destroy hook is enabled both when it is queued and when it comes") {
  struct Row {
    std::string when;
    bool at_queueing;
    bool at_drain;
  };
  for (const Row& row : {Row{"always", true, true}, Row{"enabled late", false, true},
                         Row{"disabled early", true, false}}) {
    CAPTURE(row.when);
    AsyncId job_id = 0;
    int heard = 0;
    auto hook = create_hook({.destroy = [&](AsyncId id) { heard += id == job_id ? 1 : 0; }});

    test::run([&] {
      row.at_queueing ? hook.enable() : hook.disable();
      AsyncResource job("JOB");
      job_id = job.async_id();
      job.emit_destroy();
      row.at_drain ? hook.enable() : hook.disable();
      sleep_for(1ms);
    });
    hook.disable();

    CHECK(heard == (row.at_queueing && row.at_drain ? 1 : 0));
  }
}

TEST_CASE("emit_destroy again after the hook was disabled adds nothing, nor does dropping") {
  Trace trace;
  auto hook = create_hook({.destroy = [&](AsyncId) { trace.push_back("destroy"); }});

  test::run([&] {
    AsyncResource job("JOB");
    hook.enable();
    job.emit_destroy();
    set_immediate([&] {
      hook.disable();
      job.emit_destroy();
      job.run_in_async_scope([&] { trace.push_back("still runs"); });
    });
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"destroy", "still runs"});
}

TEST_CASE("ids that no resource has are delivered as well, before the next immediate") {
  std::vector<AsyncId> heard;
  std::size_t heard_before_immediate = 0;
  const std::vector<AsyncId> made_up{900'001, 900'000, 900'002};
  auto hook = create_hook({.destroy = [&](AsyncId id) { heard.push_back(id); }});

  test::run([&] {
    set_immediate([&] {
      hook.enable();
      for (const AsyncId id : made_up) detail::queue_destroy(id);
    });
    set_immediate([] {});
    sleep_for(1ms);
    heard_before_immediate = heard.size();
    hook.disable();
  });

  CHECK(heard_before_immediate >= made_up.size());
  CHECK(std::vector<AsyncId>(heard.begin(), heard.begin() + 3) == made_up);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
