#include <algorithm>
#include <iterator>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/io/process.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/children.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::ExitStatus;
using io::Process;
using io::ProcessOptions;
using io::Stdio;
using test::HookRecorder;
using test::seen;
using test::shell;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/process_context");

TEST_CASE("callbacks of a process and its pipes see the context of the call that took them") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    ProcessOptions options = shell("echo text");
    options.output = Stdio::pipe();
    std::optional<Process> process;
    who.run("spawner", [&] { process = Process::spawn(options); });
    who.run("exit", [&] { process->on_exit([&](ExitStatus) { trace.push_back(seen(who)); }); });
    who.run("wait",
            [&] { process->wait([&](const Result<ExitStatus>&) { trace.push_back(seen(who)); }); });
    who.run("output", [&] {
      process->output().on_data([&](std::span<const std::byte>) { trace.push_back(seen(who)); });
    });
    while (trace.size() < 3) yield();
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"exit", "output", "wait"});
}

TEST_CASE("a fiber that waits for a process keeps its context") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto process = Process::spawn(shell("exit 0"));
    who.run("waiter", [&] {
      process.wait();
      trace.push_back(seen(who));
    });
  });

  CHECK(trace == Trace{"waiter"});
}

TEST_CASE("a process is a PROCESSWRAP before its PIPEWRAPs, called once, at its end") {
  Trace trace;

  test::run([&] {
    HookRecorder recorder({{"FIBER", "TickObject", "Timeout", "SHUTDOWNWRAP"}});
    ProcessOptions options = {.file = "cat", .output = Stdio::ignore()};
    options.input = options.errors = Stdio::pipe();
    {
      auto process = Process::spawn(options);
      process.input().close();
      process.on_exit([&](ExitStatus) { recorder.note("exit"); });
      while (!process.status()) yield();
    }
    sleep_for(1ms);
    const std::string id = " 2";
    std::copy_if(recorder.trace().begin(), recorder.trace().end(), std::back_inserter(trace),
                 [&](const std::string& line) {
                   return line.find("init") == 0 || line == "exit" || line.ends_with(id);
                 });
  });

  CHECK(trace == Trace{"init PROCESSWRAP 2 1", "init PIPEWRAP 3 1", "init PIPEWRAP 4 1", "before 2",
                       "exit", "after 2", "destroy 2"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
