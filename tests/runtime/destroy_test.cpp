#include <chrono>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/destroy");

TEST_CASE("destroy events come in the check phase, before immediates") {
  Trace trace;
  AsyncId destroyed = 0;
  auto hook = create_hook({.destroy = [&](AsyncId id) {
    if (id == destroyed) trace.push_back("destroy");
  }});
  hook.enable();

  test::run([&] {
    set_immediate([&] { trace.push_back("immediate"); });
    AsyncResource job("JOB");
    destroyed = job.async_id();
    job.emit_destroy();
    next_tick([&] { trace.push_back("tick"); });
    queue_microtask([&] { trace.push_back("microtask"); });
    yield();
    trace.push_back("fiber");
    hook.disable().enable();
    sleep_for(1ms);
    destroyed = 0;
  });

  CHECK(trace == Trace{"tick", "microtask", "fiber", "destroy", "immediate"});
}

TEST_CASE("a destroy hook runs outside of every resource and in the empty context") {
  const AsyncLocal<std::string> who;
  Trace trace;
  AsyncId destroyed = 0;
  auto hook = create_hook({.destroy = [&](AsyncId id) {
    if (id == destroyed) trace.push_back(seen(who) + std::to_string(execution_async_id()));
    who.enter_with("left behind");
  }});
  hook.enable();

  test::run([&] {
    who.enter_with("main");
    destroyed = AsyncResource("JOB").async_id();
    sleep_for(1ms);
    trace.push_back(seen(who));
    hook.disable();
  });

  CHECK(trace == Trace{"none0", "main"});
}

TEST_CASE("destroys that destroy hooks cause are delivered in the same turn") {
  Trace trace;
  int left = 3;
  auto hook = create_hook({.destroy = [&](AsyncId) {
    if (--left > 0) AsyncResource("AGAIN").emit_destroy();
    trace.push_back("destroy");
  }});

  test::run([&] {
    hook.enable();
    AsyncResource("JOB").emit_destroy();
    set_immediate([&] {
      trace.push_back("immediate");
      hook.disable();
    });
  });

  CHECK(trace.size() >= 4);
  CHECK(trace.back() == "immediate");
}

TEST_CASE("16384 destroys do not wait for the check phase") {
  constexpr int kBound = 16384;
  int destroys = 0;
  int before_microtask = -1;
  int before_immediate = -1;
  auto hook = create_hook({.destroy = [&](AsyncId) { ++destroys; }});

  const auto queue_in_a_turn = [&](int count) {
    set_immediate([&, count] {
      destroys = 0;
      hook.enable();
      for (int i = 0; i < count; ++i) AsyncResource job("JOB");
      set_immediate([&] {
        before_immediate = destroys;
        hook.disable();
      });
      before_microtask = destroys;
    });
    set_immediate([&] { before_microtask = destroys; });
  };

  test::run([&] { queue_in_a_turn(kBound); });
  CHECK(before_microtask >= kBound);

  test::run([&] { queue_in_a_turn(kBound / 2); });
  CHECK(before_microtask == 0);
  CHECK(before_immediate > 0);
}

TEST_CASE("destroys that are left at the end of the run are delivered before it returns") {
  int destroys = 0;
  AsyncId job = 0;
  auto hook = create_hook({.destroy = [&](AsyncId id) { destroys += id == job ? 1 : 0; }});
  hook.enable();

  test::run([&] { job = AsyncResource("JOB").async_id(); });

  CHECK(destroys == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
