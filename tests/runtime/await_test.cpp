#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/await.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/await");

TEST_CASE("await waits until the callback is called and returns its value") {
  Trace trace;

  test::run([&] {
    spawn([&] { trace.push_back("others run"); });
    const int value = await<int>([](Callback<int> done) {
      set_timeout(1ms, [done = std::move(done)]() mutable { done(5); });
    });
    trace.push_back("got " + std::to_string(value));
  });

  CHECK(trace == Trace{"others run", "got 5"});
}

TEST_CASE("await does not suspend when the callback is called before it parks") {
  Trace trace;

  test::run([&] {
    spawn([&] { trace.push_back("others run"); });
    trace.push_back("got " + std::to_string(await<int>([](Callback<int> done) { done(6); })));
  });

  CHECK(trace == Trace{"got 6", "others run"});
}

TEST_CASE("await takes a result that is there at once") {
  Trace trace;

  test::run([&] {
    Callback<int> kept;
    spawn([&] { trace.push_back("others run"); });
    const int value = await<int>([&](Callback<int> done) {
      kept = std::move(done);
      return std::optional<Result<int>>(7);
    });
    trace.push_back("got " + std::to_string(value));
    CHECK_NOTHROW(kept(8));
  });

  CHECK(trace == Trace{"got 7", "others run"});
}

TEST_CASE("await waits when there is no result at once") {
  test::run([] {
    CHECK(await<int>([](Callback<int> done) {
            set_immediate([done = std::move(done)]() mutable { done(8); });
            return std::optional<Result<int>>();
          }) == 8);
  });
}

TEST_CASE("await throws an error as system_error, await_result returns it") {
  test::run([] {
    const auto fails = [](Callback<void> done) {
      set_immediate([done = std::move(done)]() mutable {
        done(detail::uv_error(UV_ECONNREFUSED, "connect 127.0.0.1:1"));
      });
    };

    CHECK(await_result<void>(fails).error() == std::errc::connection_refused);
    CHECK_THROWS_WITH_AS(await<void>(fails),
                         "connect 127.0.0.1:1: connection refused (ECONNREFUSED)",
                         std::system_error);
  });
}

TEST_CASE("a result may own what cannot be copied") {
  test::run([] {
    const auto value = await<std::unique_ptr<int>>([](Callback<std::unique_ptr<int>> done) {
      set_immediate([done = std::move(done)]() mutable { done(std::make_unique<int>(3)); });
    });
    CHECK(*value == 3);
  });
}

TEST_CASE("an operation that drops its callback is a usage error that names the wait") {
  test::run([] {
    CHECK_THROWS_AS(await<int>([](Callback<int>) {}), UsageError);
    const auto later = [](Callback<int> done) {
      set_timeout(1ms, [done = std::move(done)] { CHECK(done); });
    };
    CHECK_THROWS_WITH_AS(await<int>(later, detail::NoAbort{}, "query"), doctest::Contains("query"),
                         UsageError);
  });
}

TEST_CASE("calling the callback twice is a usage error of the caller") {
  test::run([] {
    Callback<int> kept;
    const int value = await<int>([&](Callback<int> done) {
      kept = std::move(done);
      kept(1);
    });
    CHECK(value == 1);
    CHECK_THROWS_AS(kept(2), UsageError);
  });
}

TEST_CASE("what the start of an operation throws passes through") {
  test::run([] {
    Callback<int> kept;
    const auto start = [&](Callback<int> done) {
      kept = std::move(done);
      throw std::runtime_error("cannot start");
    };
    CHECK_THROWS_WITH(await<int>(start), "cannot start");
    CHECK_NOTHROW(kept(1));
    yield();
  });
}

TEST_CASE("a callback kept beyond the run reaches nobody when called, and may be dropped") {
  Callback<int> called;
  Callback<int> dropped;

  test::run([&] {
    spawn([&] { await<int>([&](Callback<int> done) { called = std::move(done); }); });
    spawn([&] { await<int>([&](Callback<int> done) { dropped = std::move(done); }); });
    yield();
    Loop::current().stop();
  });

  CHECK_NOTHROW(called(1));
  dropped = nullptr;
}

TEST_CASE("await outside of a fiber is a usage error that says to spawn") {
  const auto start = [](Callback<int> done) { done(1); };
  int calls = 0;

  CHECK_THROWS_AS(await<int>(start), UsageError);
  test::run([&] {
    set_immediate([&] {
      CHECK_THROWS_WITH_AS(await<int>(start), doctest::Contains("spawn()"), UsageError);
      CHECK_THROWS_AS(sleep_for(1ms), UsageError);
      CHECK_THROWS_AS(yield(), UsageError);
      ++calls;
    });
  });

  CHECK(calls == 1);
}

TEST_CASE("await inside a hook is a usage error") {
  int calls = 0;
  auto hook = create_hook({.init = [&](AsyncId, std::string_view, AsyncId, AsyncResource&) {
    CHECK_THROWS_WITH_AS(await<int>([](Callback<int> done) { done(1); }), doctest::Contains("hook"),
                         UsageError);
    CHECK_THROWS_AS(yield(), UsageError);
    ++calls;
  }});

  test::run([&] {
    hook.enable();
    const AsyncResource resource("JOB");
    hook.disable();
  });

  CHECK(calls == 1);
}

TEST_CASE("a fiber goes on in its own context, whoever completes the operation") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Callback<int> completed;
    who.run("fiber", [&] {
      spawn([&] {
        await<int>([&](Callback<int> done) { completed = std::move(done); });
        trace.push_back("waiter in " + seen(who));
      });
    });
    yield();
    who.run("completer", [&] {
      completed(1);
      trace.push_back("completer in " + seen(who));
    });
  });

  CHECK(trace == Trace{"completer in completer", "waiter in fiber"});
}

TEST_CASE("a cancellation that comes while the operation starts aborts it once") {
  Trace trace;

  test::run([&] {
    const auto wait = [&](auto cancel) {
      Callback<int> held;
      try {
        await<int>(
            [&](Callback<int> done) {
              held = std::move(done);
              cancel();
            },
            [&] {
              trace.push_back("aborted");
              held(detail::uv_error(UV_ECANCELED, "held"));
            });
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    };
    CancelScope scope;
    scope.run([&] { wait([&] { scope.cancel(); }); });
    std::optional<Task<void>> self;
    self = spawn([&] { wait([&] { self->cancel(); }); });
    yield();
  });

  CHECK(trace == Trace{"aborted", "cancelled", "aborted", "cancelled"});
}

TEST_CASE("a cancellation by a hook while a sleep starts is not lost") {
  bool is_cut = false;

  test::run([&] {
    const auto began = now();
    CancelScope scope;
    auto hook = create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
      if (type == "Timeout") scope.cancel();
    }});
    hook.enable();
    scope.run([] { sleep_for(1h); });
    hook.disable();
    is_cut = scope.cancelled_caught() && now() == began;
  });

  CHECK(is_cut);
}

TEST_CASE("a wake that comes early or twice resumes the fiber once") {
  Trace trace;

  test::run([&] {
    auto waiter = spawn([&] {
      Callback<int> first;
      await<int>([&](Callback<int> done) { first = std::move(done), first(1); });
      trace.push_back("first");
      sleep_for(1ms);
      trace.push_back("second");
    });
    waiter.join();
  });

  CHECK(trace == Trace{"first", "second"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
