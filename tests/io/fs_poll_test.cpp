#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/fs_poll.h>
#include <weft/runtime/active_resources.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::FsPoll;
using io::FsPollChange;
using test::HookRecorder;
using test::seen;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

std::string sizes(const FsPollChange& change) {
  return std::to_string(change.previous.size) + " to " + std::to_string(change.current.size);
}

TEST_SUITE_BEGIN("io/fs_poll");

TEST_CASE("a poll tells what a file was and is, at the look behind the change") {
  const TempDir dir;
  dir.write("a", "1");
  Trace trace;

  test::run([&] {
    auto poll = FsPoll::watch(dir.path("a"), {.interval = 1min});
    set_timeout(90s, [&] { dir.append("a", "23"); });
    const auto began = now();
    const FsPollChange change = poll.next();
    trace.push_back(sizes(change));
    CHECK(now() - began == 2min);
    CHECK(change.previous.is_same_file(change.current));
    CHECK_FALSE(change.error);
  });

  CHECK(trace == Trace{"1 to 3"});
}

TEST_CASE("a file that is not there is told once, and again when it comes and goes") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto poll = FsPoll::watch(dir.path("a"), {.interval = 1s});
    poll.on_change([&](const FsPollChange& change) {
      trace.push_back(change.error == std::errc::no_such_file_or_directory ? "gone"
                                                                           : sizes(change));
    });
    sleep_for(10s);
    dir.write("a", "1");
    sleep_for(10s);
    dir.remove("a");
    sleep_for(10s);
    poll.close();
  });

  CHECK(trace == Trace{"gone", "0 to 1", "gone"});
}

TEST_CASE("changes that nobody took are one, from the first to the last") {
  const TempDir dir;
  dir.write("a", "1");
  Trace trace;

  test::run([&] {
    auto poll = FsPoll::watch(dir.path("a"), {.interval = 1s});
    for (int i = 0; i < 3; ++i) {
      sleep_for(1500ms);
      dir.append("a", "2");
    }
    sleep_for(10s);
    trace.push_back(sizes(poll.next()));
    CHECK_FALSE(move_on_after(10s, [&] { poll.next(); }));
    dir.append("a", "3");
    sleep_for(2s);
    poll.on_change([&](const FsPollChange& change) { trace.push_back(sizes(change)); });
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"1 to 4", "4 to 5"});
}

TEST_CASE("a name whose file is replaced is another file") {
  const TempDir dir;
  dir.write("a", "1");
  dir.write("b", "2");

  test::run([&] {
    auto poll = FsPoll::watch(dir.path("a"), {.interval = 1s});
    sleep_for(1ms);
    dir.rename("b", "a");
    const FsPollChange change = poll.next();
    CHECK_FALSE(change.previous.is_same_file(change.current));
  });
}

TEST_CASE("closing a poll ends its wait with operation_canceled, a later one with EBADF") {
  const TempDir dir;
  std::optional<std::error_code> pending;
  std::optional<std::error_code> late;

  test::run([&] {
    auto poll = FsPoll::watch(dir.path());  // closed while the first look is on its way
    poll.next([&](const Result<FsPollChange>& change) { pending = change.error(); });
    poll.close();
    CHECK_FALSE(pending.has_value());
    poll.next([&](const Result<FsPollChange>& change) { late = change.error(); });
    poll.wait_closed();
  });

  CHECK(pending == std::errc::operation_canceled);
  CHECK(late == std::errc::bad_file_descriptor);
}

TEST_CASE("misuse of a poll says what to do") {
  test::run([&] {
    CHECK_THROWS_WITH_AS(FsPoll::watch("a", {.interval = 0ms}),
                         "watch: the interval is below one millisecond", UsageError);
  });
}

TEST_CASE("a poll that is unreferenced lets the run end, and who waits for it is no deadlock") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    spawn([&] {
      auto poll = FsPoll::watch(dir.path(), {.interval = 1s});
      poll.unref();
      try {
        poll.next();
      } catch (const Cancelled&) {
        trace.push_back("the run has ended");
        throw;
      }
    });
  });

  CHECK(trace == Trace{"the run has ended"});
}

TEST_CASE("a poll is named among what keeps the loop alive, while it looks and while it waits") {
  const TempDir dir;
  Trace trace;
  const auto note = [&] {
    for (const ActiveResource& one : active_resources()) trace.push_back(one.type);
  };

  test::run([&] {
    auto poll = FsPoll::watch(dir.path(), {.interval = 1h});
    note();
    poll.on_change([](const FsPollChange&) {});
    sleep_for(1ms);
    note();
    poll.unref();
    note();
  });

  CHECK(trace == Trace{"STATWATCHER", "STATWATCHER"});
}

// Node's scenario fs-watchfile has the same life.
TEST_CASE("a callback sees the context of the call that took it, as STATWATCHER") {
  const TempDir dir;
  dir.write("a", "1");
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    HookRecorder recorder({{"FIBER", "TickObject", "Timeout"}});
    std::optional<FsPoll> poll = FsPoll::watch(dir.path("a"), {.interval = 1s});
    who.run("handler",
            [&] { poll->on_change([&](const FsPollChange&) { recorder.note(seen(who)); }); });
    sleep_for(1ms);
    who.run("writer", [&] { dir.append("a", "2"); });
    sleep_for(10s);
    poll.reset();
    sleep_for(1ms);
    std::copy_if(recorder.trace().begin(), recorder.trace().end(), std::back_inserter(trace),
                 [](const std::string& line) { return line != "before 1" && line != "after 1"; });
  });

  CHECK(trace == Trace{"init STATWATCHER 2 1", "before 2", "handler", "after 2", "destroy 2"});
}

// Node's test of the STATWATCHER.
TEST_CASE("each poll is a resource of its own, entered once for each change it tells") {
  const TempDir dir;
  for (const char* name : {"a", "b"}) dir.write(name, "1");
  Trace trace;

  test::run([&] {
    HookRecorder recorder({{"FIBER", "TickObject", "Timeout"}});
    const auto watch = [&](const std::string& name) {
      auto poll = FsPoll::watch(dir.path(name), {.interval = 1s});
      poll.on_change([&recorder, name](const FsPollChange&) { recorder.note(name); });
      return poll;
    };
    auto a = watch("a");
    auto b = watch("b");
    sleep_for(1ms);
    for (const char* name : {"a", "b", "a"}) {
      dir.append(name, "2");
      sleep_for(10s);
    }
    for (const std::string& line : recorder.trace()) {
      if (line.find(" 1") == std::string::npos || line.find("init") == 0) trace.push_back(line);
    }
  });

  CHECK(trace == Trace{"init STATWATCHER 2 1", "init STATWATCHER 3 1",          //
                       "before 2", "a", "after 2", "before 3", "b", "after 3",  //
                       "before 2", "a", "after 2"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
