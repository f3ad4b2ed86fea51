#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/pass_handle.h>
#include <weft/io/process.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task_group.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/children.h>

namespace weft {
namespace {

using io::ExitStatus;
using io::Process;
using io::run_process;
using io::Stdio;
using test::for_each_fault;
using test::Operations;
using test::read_all;
using test::require_same;
using test::shell;

void require_exit(const ExitStatus& status, std::int64_t code) {
  if (status != ExitStatus{.code = code}) {
    throw std::logic_error("it ended otherwise: " + status.to_string());
  }
}

io::ProcessOptions cat() {
  return {.file = "/bin/cat", .input = Stdio::pipe(), .output = Stdio::pipe()};
}

// A program that does not read its input is no error: what says so is injected elsewhere.
const test::SweepOptions not_of_its_input = {
    .without = {std::errc::broken_pipe, std::errc::connection_reset}};

TEST_SUITE_BEGIN("faults/process");

TEST_CASE("a program is talked to and waited for, or it is told what failed") {
  for_each_fault("cat", [](Operations&) {
    auto process = Process::spawn(cat());
    process.input().write("hello");
    process.input().shutdown();
    require_same(read_all(process.output()), "hello");
    require_exit(process.wait(), 0);
  });
}

TEST_CASE("the end of a program is told to each callback") {
  for_each_fault("exit callbacks", [](Operations& operations) {
    auto process = Process::spawn(shell("exit 3"));
    int told = 0;
    process.on_exit([&](ExitStatus status) {
      operations.attempt([&] { require_exit(status, 3); });
      ++told;
    });
    operations.start<ExitStatus>(
        "wait", [&](auto done) { process.wait(std::move(done)); },
        [&](ExitStatus status) {
          require_exit(status, 3);
          if (told != 1) throw std::logic_error("the handler was not told");
          operations.finish();
        });
    operations.wait();
  });
}

TEST_CASE("a program that cannot be started is told, whatever fails beside") {
  for_each_fault("no program", [](Operations&) {
    try {
      Process::spawn({.file = "/no/such/program", .input = Stdio::pipe()});
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::no_such_file_or_directory) throw;
      return;
    }
    throw std::logic_error("it was started");
  });
}

TEST_CASE("a program that is killed ends, or it is told that it could not be killed") {
  for_each_fault("a kill", [](Operations&) {
    auto process = Process::spawn(cat());
    process.kill();
    if (process.wait().signal != SIGTERM) throw std::logic_error("it ended otherwise");
  });
}

TEST_CASE("a program nobody waits for is reaped by a later spawn") {
  for_each_fault("an orphan", [](Operations&) { Process::spawn(cat()).unref(); },
                 {.leaves_children = true});
}

TEST_CASE("a program gets its input and gives its output, or it is told what failed") {
  for_each_fault(
      "a filter",
      [](Operations&) {
        const auto ran = run_process(shell("cat; echo bad >&2; exit 4"), "hello");
        require_same(ran.output, "hello");
        require_same(ran.errors, "bad\n");
        require_exit(ran.status, 4);
      },
      not_of_its_input);
}

TEST_CASE("a program that is ended early is reaped, or it is told why not") {
  auto options = not_of_its_input;
  options.leaves_children = true;  // one that may not be killed
  for_each_fault(
      "too much output",
      [](Operations&) {
        try {
          run_process(shell("echo too much; exec cat"), {}, {.output_bytes_max = 4});
        } catch (const std::system_error& error) {
          if (error.code() != std::errc::no_buffer_space) throw;
          return;
        }
        throw std::logic_error("nobody noticed that it was too much");
      },
      options);
}

TEST_CASE("a listener reaches a program over its pipe, or it is told what failed") {
  for_each_fault("a pipe for handles", [](Operations&) {
    // The program is this one's echo: what it is sent it sends back, the handle left aside.
    auto options = shell("exec cat <&3 >&3");
    options.errors = Stdio::ignore();
    options.more = {Stdio::ipc()};
    auto process = Process::spawn(options);
    auto [kept, passed] = io::PipeStream::pair();
    io::pass_handle(process.pipe(3), passed, std::as_bytes(std::span("x", 1)));
    process.pipe(3).shutdown();
    require_same(read_all(process.pipe(3)), "x");
    require_exit(process.wait(), 0);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
