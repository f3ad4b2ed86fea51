#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/snapshot.h>
#include <weft/runtime/await.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/testing/run_test.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/complaint.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::complaint_of;
using test::contains;
using test::Trace;
using testing::run_test;
using testing::TestFailure;
using testing::TestOptions;
using testing::wait_all_parked;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/testing_run");

TEST_CASE("a test sleeps for hours in no time") {
  const auto began = std::chrono::steady_clock::now();

  std::chrono::nanoseconds passed{};
  run_test([&] {
    const auto before = now();
    sleep_for(10h);
    passed = now() - before;
  });

  CHECK(passed == 10h);
  CHECK(std::chrono::steady_clock::now() - began < 10s);
}

TEST_CASE("with a real clock a test waits for other threads") {
  int posted = 0;
  run_test(
      [&] {
        std::thread other([&, loop = Loop::current(), keep = Loop::current().keep_alive()] {
          loop.post([&] { ++posted; });
        });
        other.join();
      },
      {.real_clock = true});

  CHECK(posted == 1);
}

TEST_CASE("what a body throws arrives at the test") {
  CHECK_THROWS_WITH_AS(run_test([] { throw std::runtime_error("assertion"); }), "assertion",
                       std::runtime_error);
}

TEST_CASE("what a fiber throws that nobody joins arrives at the test") {
  const auto body = [] { spawn([] { throw std::runtime_error("lost"); }).detach(); };

  CHECK_THROWS_WITH_AS(run_test(body), "lost", std::runtime_error);
}

TEST_CASE("a context that is still held when the run is over fails the test") {
  const AsyncLocal<int> local;
  std::optional<Snapshot> kept;

  const std::string text = complaint_of([&] { local.run(1, [&] { kept = Snapshot::capture(); }); });
  kept.reset();

  CHECK(contains(text, "contexts are still held, by what captured or set them: 1"));
}

TEST_CASE("a fiber that nothing can wake fails the test as a deadlock") {
  Event never;
  const auto body = [&] { spawn([&] { never.wait(); }).detach(); };

  CHECK_THROWS_AS(run_test(body), Deadlock);
}

TEST_CASE("a fiber that waits when the body is over fails the test") {
  Timeout unreferenced;
  Event never;
  const auto body = [&] {
    unreferenced = set_timeout(1h, [] {}).unref();
    spawn([&] { never.wait(); }, {.name = "forgotten"}).detach();
  };

  const std::string text = complaint_of(body);
  CHECK(contains(text, "'forgotten' (spawned at "));
  CHECK(contains(text, "waits in Event::wait"));
}

TEST_CASE("a leftover is allowed where the test says so") {
  Timeout unreferenced;
  Event never;
  const auto body = [&] {
    unreferenced = set_timeout(1h, [] {}).unref();
    spawn([&] { never.wait(); }).detach();
  };

  CHECK(complaint_of(body, {.finds_leftovers = false}) == "");
}

// A callback that weft knows nothing of, as a library of the user's own makes it.
void call_from_libuv(uv_timer_t& timer, void (*callback)(uv_timer_t*)) {
  uv_timer_init(detail::EventLoop::current("test").uv(), &timer);
  uv_timer_start(&timer, callback, 0, 0);
}

TEST_CASE("work begun in a callback that weft knows nothing of has lost its context") {
  uv_timer_t timer;
  const auto body = [&] {
    call_from_libuv(timer, [](uv_timer_t* fired) {
      set_timeout(1ms, [] {});
      uv_close(reinterpret_cast<uv_handle_t*>(fired), nullptr);
    });
  };

  CHECK(complaint_of(body) == "");
  const std::string text = complaint_of(body, {.watches_contexts = true});
  CHECK(contains(text, "contexts were lost"));
  CHECK(contains(text, "Timeout"));
  CHECK(contains(text, "was begun outside of the test's context"));
}

TEST_CASE("timers, fibers and channels lose no context") {
  const auto body = [] {
    Channel<int> channel(1);
    auto task = spawn([&] { channel.send(1); });
    set_timeout(1ms, [] { set_immediate([] {}); });
    channel.receive();
    sleep_for(2ms);
    task.join();
  };

  CHECK(complaint_of(body, {.watches_contexts = true}) == "");
}

TEST_CASE("wait_all_parked returns when all others wait, and before time moves on") {
  Trace trace;
  run_test([&] {
    spawn([&] {
      trace.push_back("runs");
      yield();
      trace.push_back("sleeps");
      sleep_for(1ms);
      trace.push_back("woke");
    }).detach();
    const auto before = now();
    wait_all_parked();
    trace.push_back(now() == before ? "all parked" : "time moved");
  });

  CHECK(trace == Trace{"runs", "sleeps", "all parked", "woke"});
}

TEST_CASE("wait_all_parked waits in any loop, and for what is posted meanwhile") {
  Trace trace;
  run([&] {
    set_immediate([&] { spawn([&] { trace.push_back("fiber"); }).detach(); });
    wait_all_parked();
    trace.push_back("all parked");
  });

  CHECK(trace == Trace{"fiber", "all parked"});
}

TEST_CASE("wait_all_parked is cut short by a cancellation") {
  bool went_on = false;
  run_test([&] {
    auto waiting = spawn([&] {
      wait_all_parked();
      went_on = true;
    });
    yield();
    waiting.cancel();
  });

  CHECK_FALSE(went_on);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
