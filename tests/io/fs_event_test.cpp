#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/fs.h>
#include <weft/io/fs_event.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::FsChange;
using io::FsEvent;
using test::HookRecorder;
using test::seen;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

std::string to_text(const FsChange& change) {
  return change.name + (change.renamed ? " renamed" : "") + (change.changed ? " changed" : "") +
         (change.overflowed ? "overflowed" : "");
}

std::string next(FsEvent& watch) {
  return to_text(watch.next());
}

TEST_SUITE_BEGIN("io/fs_event");

TEST_CASE("a fiber waits for what happens in a directory") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    spawn([&] {
      trace.push_back("writes");
      dir.write("a", "text");
    });
    trace.push_back(next(watch));
  });

  CHECK(trace == Trace{"writes", "a renamed"});
}

TEST_CASE("what nobody took is kept as one change for each name, in order") {
  const TempDir dir;
  dir.write("old", "text");
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    dir.append("old", "more");
    dir.write("new", "text");
    dir.remove("old");
    sleep_for(1ms);
    trace.push_back(next(watch));
    trace.push_back(next(watch));
    CHECK_FALSE(move_on_after(1ms, [&] { next(watch); }));
  });

  CHECK(trace == Trace{"old renamed changed", "new renamed changed"});
}

TEST_CASE("more names than are kept become one change that says so, and watching goes on") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path(), {.pending_max = 2});
    for (const char* name : {"a", "b", "c"}) dir.write(name, "");
    sleep_for(1ms);
    trace.push_back(next(watch));
    dir.remove("b");
    trace.push_back(next(watch));
  });

  CHECK(trace == Trace{"overflowed", "b renamed"});
}

TEST_CASE("a handler hears each event, and first what came before it") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    dir.write("early", "");
    sleep_for(1ms);
    watch.on_change([&](const FsChange& change) { trace.push_back(to_text(change)); });
    trace.push_back("set");
    sleep_for(1ms);
    dir.rename("early", "late");
    sleep_for(1ms);
    watch.close();
  });

  CHECK(trace == Trace{"set", "early renamed", "early renamed", "late renamed"});
}

TEST_CASE("a watch of one file tells its own name") {
  const TempDir dir;
  dir.write("log", "");
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path("log"));
    spawn([&] { dir.append("log", "line"); });
    trace.push_back(next(watch));
  });

  CHECK(trace == Trace{"log changed"});
}

TEST_CASE("each watch tells the name it was made with, of a file or directory with two names") {
  const TempDir dir;
  dir.write("2024.log", "");
  Trace trace;

  test::run([&] {
    io::symlink("2024.log", dir.path("current.log"));
    io::mkdir(dir.path("releases"));
    io::symlink("releases", dir.path("live"));
    auto log = FsEvent::watch(dir.path("2024.log"));
    auto link = FsEvent::watch(dir.path("current.log"));
    auto releases = FsEvent::watch(dir.path("releases"));
    auto live = FsEvent::watch(dir.path("live/"));
    dir.append("2024.log", "line");
    trace = {next(log), next(link)};
    io::chmod(dir.path("releases"), 0700);
    for (FsEvent* const watch : {&releases, &live}) trace.push_back(watch->next().name);
    dir.write("releases/one", "");
    for (FsEvent* const watch : {&releases, &live}) trace.push_back(watch->next().name);
  });

  CHECK(trace ==
        Trace{"2024.log changed", "current.log changed", "releases", "live", "one", "one"});
}

TEST_CASE("what cannot be watched is an error that names the path") {
  const TempDir dir;

  test::run([&] {
    CHECK_THROWS_WITH_AS(
        FsEvent::watch(dir.path("none")),
        ("watch " + dir.path("none") + ": no such file or directory (ENOENT)").c_str(),
        std::system_error);
    CHECK_THROWS_WITH_AS(
        FsEvent::watch(dir.path(), {.recursive = true}),
        ("watch " + dir.path() + " and what is below: operation not supported on socket (ENOTSUP)")
            .c_str(),
        std::system_error);
  });
}

TEST_CASE("closing a watch ends its wait with operation_canceled, a later one with EBADF") {
  const TempDir dir;
  std::optional<std::error_code> pending;
  std::optional<std::error_code> late;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    watch.next([&](const Result<FsChange>& change) { pending = change.error(); });
    watch.close();
    CHECK_FALSE(pending.has_value());
    watch.next([&](const Result<FsChange>& change) { late = change.error(); });
    watch.wait_closed();
  });

  CHECK(pending == std::errc::operation_canceled);
  CHECK(late == std::errc::bad_file_descriptor);
}

TEST_CASE("a cancelled wait takes nothing: the next one gets the change") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    CHECK_FALSE(move_on_after(1ms, [&] { watch.next(); }));
    dir.write("a", "");
    trace.push_back(next(watch));
  });

  CHECK(trace == Trace{"a renamed"});
}

TEST_CASE("misuse of a watch says what to do") {
  const TempDir dir;

  test::run([&] {
    auto watch = FsEvent::watch(dir.path());
    watch.next([](const Result<FsChange>&) {});
    CHECK_THROWS_WITH_AS(watch.next(), "next: another wait is pending; one at a time", UsageError);
    CHECK_THROWS_WITH_AS(watch.on_change([](const FsChange&) {}),
                         "on_change: a wait is pending; use one of the two", UsageError);
  });
}

TEST_CASE("callbacks see the context of the call that took them, as FSEVENTWRAP") {
  const TempDir dir;
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    HookRecorder recorder({{"FIBER", "TickObject", "Timeout"}});
    auto watch = FsEvent::watch(dir.path());
    const std::string id = recorder.name(watch.async_id());
    AsyncId closer = 0;
    const auto note = [&](const char* what) {
      const bool is_watch = recorder.name(execution_async_id()) == id;
      const bool is_triggered = closer != 0 && trigger_async_id() == closer;
      trace.push_back(std::string(what) + " " + seen(who) + (is_watch ? " as the watch" : "") +
                      (is_triggered ? " as a tick of its closer" : ""));
    };
    who.run("waiter", [&] { watch.next([&](const Result<FsChange>&) { note("next"); }); });
    who.run("writer", [&] { dir.write("a", ""); });
    sleep_for(1ms);
    who.run("handler", [&] {
      watch.on_change([&](const FsChange&) { note("change"); });
      watch.on_close([&] { note("close"); });
    });
    dir.remove("a");
    sleep_for(1ms);
    set_timeout(1ms, [&] {
      closer = execution_async_id();
      watch.close();
    });
    sleep_for(3ms);
    CHECK(recorder.trace().front() == "init FSEVENTWRAP 2 1");
    CHECK(std::count(recorder.trace().begin(), recorder.trace().end(), "destroy 2") == 1);
  });

  CHECK(trace == Trace{"next waiter as the watch", "change handler as the watch",
                       "close handler as a tick of its closer"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
