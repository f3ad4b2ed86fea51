#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/process.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/children.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::ExitStatus;
using io::Process;
using io::ProcessOptions;
using io::Stdio;
using test::block_until_ended;
using test::is_reaped;
using test::shell;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

// A program that ends when its input does.
Process spawn_cat() {
  return Process::spawn({.file = "cat", .input = Stdio::pipe(), .output = Stdio::ignore()});
}

std::string spawn_error(const ProcessOptions& options) {
  std::string text;
  test::run([&] {
    try {
      Process::spawn(options).wait();
    } catch (const std::exception& error) {
      text = error.what();
    }
  });
  return text;
}

TEST_SUITE_BEGIN("io/process");

TEST_CASE("a fiber waits for a program and learns how it ended") {
  Trace trace;

  test::run([&] {
    for (const char* script : {"exit 0", "exit 3", "kill -KILL $$"}) {
      const ExitStatus status = Process::spawn(shell(script)).wait();
      trace.push_back(status.to_string() + (status.is_success() ? " is success" : ""));
    }
  });

  CHECK(trace == Trace{"exit 0 is success", "exit 3", "SIGKILL"});
}

TEST_CASE("the end is told to the handler, to who waits, and to everybody later") {
  Trace trace;

  test::run([&] {
    auto process = Process::spawn(shell("exit 1"));
    CHECK_FALSE(process.status().has_value());
    process.on_exit([&](ExitStatus status) { trace.push_back("handler " + status.to_string()); });
    process.wait(
        [&](Result<ExitStatus> status) { trace.push_back("done " + status->to_string()); });
    trace.push_back("spawned");
    while (!process.status()) yield();
    process.wait(
        [&](Result<ExitStatus> status) { trace.push_back("late " + status->to_string()); });
    trace.push_back("fiber " + process.wait().to_string());
  });

  CHECK(trace == Trace{"spawned", "handler exit 1", "done exit 1", "fiber exit 1", "late exit 1"});
}

TEST_CASE("what cannot be started is an error that names it") {
  const TempDir dir;
  dir.write("text", "no program");
  ProcessOptions long_argument = shell("exit 0");
  long_argument.args.push_back(std::string(4 * 1024 * 1024, 'x'));
  ProcessOptions no_directory = shell("exit 0");
  no_directory.cwd = "/no/such/directory";

  CHECK(spawn_error({.file = "/no/such/program"}) ==
        "spawn /no/such/program: no such file or directory (ENOENT)");
  CHECK(spawn_error({.file = "no-such-program"}) ==
        "spawn no-such-program: no such file or directory (ENOENT)");
  CHECK(spawn_error({.file = dir.path("text")}) ==
        "spawn " + dir.path("text") + ": permission denied (EACCES)");
  CHECK(spawn_error(long_argument) == "spawn /bin/sh: argument list too long (E2BIG)");
  CHECK(spawn_error(no_directory) ==
        "spawn /bin/sh in /no/such/directory: no such file or directory (ENOENT)");
  ProcessOptions bad_descriptor = shell("exit 0");
  bad_descriptor.output = Stdio::fd(-1);
  CHECK(spawn_error(bad_descriptor) == "spawn /bin/sh: invalid argument (EINVAL)");
}

TEST_CASE("misuse of a process says what to do") {
  CHECK(spawn_error({}) == "spawn: no file is given");
  CHECK(spawn_error(shell(std::string("a\0b", 3))) ==
        "spawn: a text has a zero byte in it, where the child would see its end");
  test::run([&] {
    auto process = spawn_cat();
    process.wait([](const Result<ExitStatus>&) {});
    CHECK_THROWS_WITH_AS(process.wait(),
                         "wait: another wait for this process is pending; one at a time",
                         UsageError);
    CHECK_THROWS_WITH_AS(
        process.output(),
        "pipe: descriptor 1 of the child is no pipe; spawn it with Stdio::pipe() there",
        UsageError);
    CHECK_THROWS_AS(process.pipe(3), UsageError);
    process.input().close();
  });
}

TEST_CASE("a cancelled wait leaves the program as it is") {
  Trace trace;

  test::run([&] {
    auto process = spawn_cat();
    CHECK_FALSE(move_on_after(1ms, [&] { process.wait(); }));
    CHECK_FALSE(process.status().has_value());
    process.kill();
    trace.push_back(process.wait().to_string());
    process.kill();  // nobody is there any more
  });

  CHECK(trace == Trace{"SIGTERM"});
}

TEST_CASE("a signal that is none is an error") {
  test::run([&] {
    auto process = spawn_cat();
    CHECK_THROWS_WITH_AS(
        process.kill(1000),
        ("kill " + std::to_string(process.pid()) + " with signal 1000: invalid argument (EINVAL)")
            .c_str(),
        std::system_error);
    process.kill(SIGKILL);
    process.wait();
  });
}

TEST_CASE("dropping a process closes its pipes, and its end is noticed all the same") {
  int pid = 0;

  test::run([&] {
    pid = spawn_cat().pid();
    block_until_ended(pid);
    CHECK_FALSE(is_reaped(pid));
    Process::spawn(shell("exit 0")).wait();  // its end comes behind the other's
    CHECK(is_reaped(pid));
  });
}

TEST_CASE("who waits for the end of a process hears of it when that was dropped") {
  Trace trace;

  test::run([&] {
    auto process = Process::spawn(shell("exit 1"));
    process.on_exit([&](ExitStatus status) { trace.push_back("handler " + status.to_string()); });
    process.wait(
        [&](Result<ExitStatus> status) { trace.push_back("done " + status->to_string()); });
  });

  CHECK(trace == Trace{"handler exit 1", "done exit 1"});
}

TEST_CASE("a run that ends leaves its children, and the next spawn reaps them") {
  int pid = 0;
  test::run([&] { pid = spawn_cat().pid(); });
  block_until_ended(pid);
  CHECK_FALSE(is_reaped(pid));

  test::run([&] { Process::spawn(shell("exit 0")).wait(); });

  CHECK(is_reaped(pid));
}

TEST_CASE("a run that ends ends the wait for a child it leaves, which was no deadlock") {
  Trace trace;

  test::run([&] {
    auto process = spawn_cat();
    process.unref();
    spawn([&trace, process = std::move(process)]() mutable {
      try {
        process.wait();
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    auto other = spawn_cat();
    other.unref();
    other.wait([&](const Result<ExitStatus>& status) {
      CHECK(status.error() == std::errc::operation_canceled);
      trace.push_back("done");
    });
  });

  CHECK(trace == Trace{"cancelled", "done"});
}

TEST_CASE("a process that was not spawned leaves no handle") {
  test::run([&] {
    for (int i = 0; i < 3; ++i) {
      CHECK_THROWS_AS(Process::spawn({.file = "/no/such/program", .input = Stdio::pipe()}),
                      std::system_error);
    }
  });
}

TEST_CASE("a child whose status somebody else has taken ends each wait with an error") {
  test::run([] {
    auto child = Process::spawn({.file = "true"});
    std::int64_t code = 0;
    child.on_exit([&](io::ExitStatus status) { code = status.code; });
    REQUIRE(::waitpid(child.pid(), nullptr, 0) == child.pid());

    for (int i = 0; i < 2; ++i) {
      try {
        child.wait();
        FAIL("it has no status");
      } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::no_child_process);
        CHECK(std::string(error.what()).ends_with("No child processes (ECHILD)"));
      }
    }

    CHECK(code == -1);
  });
}

TEST_CASE("the name of a variable has no '=' in it") {
  test::run([] {
    CHECK_THROWS_AS(Process::spawn({.file = "true", .env = {{"A=B", "c"}}}), UsageError);
    CHECK_THROWS_AS(Process::spawn({.file = "true", .env = {{"=A", "c"}}}), UsageError);
    CHECK_THROWS_AS(Process::spawn({.file = "true", .env = {{"A=B", std::nullopt}}}), UsageError);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
