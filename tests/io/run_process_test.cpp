#include <chrono>
#include <csignal>
#include <ostream>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/process.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/children.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::run_process;
using test::is_reaped;
using test::shell;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/run_process");

TEST_CASE("a program gets its input, and what it writes and how it ended comes back") {
  test::run([&] {
    const auto ran = run_process(shell("tr a-z A-Z; echo bad >&2; exit 4"), "loud");

    CHECK(ran.output == "LOUD");
    CHECK(ran.errors == "bad\n");
    CHECK(ran.status.to_string() == "exit 4");
  });
}

TEST_CASE("input and output larger than any pipe go through at the same time") {
  test::run([&] {
    const std::string large(3'000'000, 'x');

    const auto ran = run_process({.file = "cat"}, large);

    CHECK(ran.output == large);
    CHECK(ran.status.is_success());
  });
}

TEST_CASE("a program that does not read its input is no error") {
  test::run([&] {
    const auto ran = run_process(shell("exec <&-; exit 2"), std::string(3'000'000, 'x'));

    CHECK(ran.status.to_string() == "exit 2");
  });
}

TEST_CASE("more output than is allowed ends the program with an error") {
  test::run([&] {
    CHECK_THROWS_WITH_AS(run_process({.file = "yes"}, {}, {.output_bytes_max = 100'000}),
                         "run yes: more than 100000 bytes of output: no buffer space available "
                         "(ENOBUFS)",
                         std::system_error);
  });
}

TEST_CASE("more output than is allowed is an error also where somebody else holds the pipes") {
  test::run([&] {
    CHECK_THROWS_WITH_AS(
        run_process({.file = "sh", .args = {"-c", "yes; true"}}, {}, {.output_bytes_max = 100'000}),
        "run sh: more than 100000 bytes of output: no buffer space available (ENOBUFS)",
        std::system_error);
  });
}

TEST_CASE("a program that cannot be started is an error that names it") {
  test::run([&] {
    CHECK_THROWS_WITH_AS(run_process({.file = "no-such-program"}),
                         "spawn no-such-program: no such file or directory (ENOENT)",
                         std::system_error);
  });
}

TEST_CASE("cancelled, it ends the program and waits for that") {
  const char* script = "";
  SUBCASE("with SIGTERM") {
    script = "echo $$ >&3; read never";
  }
  SUBCASE("with SIGKILL, if it does not listen") {
    script = "trap '' TERM; echo $$ >&3; read never";
  }

  test::run([&] {
    auto ends = io::PipeStream::pair();
    io::PipeStream& ours = ends.first;
    io::ProcessOptions options = shell(std::string(script) + "; exec sleep 1000");
    options.more = {io::Stdio::stream(ends.second)};
    int pid = 0;
    const bool ended = CancelScope().run([&] {
      task_group([&](TaskGroup& group) {
        group.spawn([&] { run_process(options, {}, {.grace = 1ms}); });
        std::string text(20, '\0');
        text.resize(ours.read(std::as_writable_bytes(std::span(text))));
        pid = std::stoi(text);
        group.cancel();
      });
    });

    CHECK(ended);
    CHECK(is_reaped(pid));
  });
}

TEST_CASE("a run that stops ends the program, and the next spawn reaps it") {
  int pid = 0;
  test::run([&] {
    auto ends = io::PipeStream::pair();
    io::ProcessOptions options = shell("trap '' TERM; echo $$ >&3; exec sleep 10");
    options.more = {io::Stdio::stream(ends.second)};
    spawn([options] { run_process(options); }).detach();
    pid = std::stoi(test::read_some(ends.first));
    Loop::current().stop();
  });
  siginfo_t child = {};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &child, WEXITED | WNOWAIT) == 0);
  CHECK(child.si_code == CLD_KILLED);
  CHECK(child.si_status == SIGKILL);

  test::run([] { io::Process::spawn(shell("exit 0")).wait(); });

  CHECK(is_reaped(pid));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
