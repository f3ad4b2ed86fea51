#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/process.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/children.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Process;
using io::ProcessOptions;
using io::Stdio;
using test::read_to_end;
using test::shell;
using test::TempDir;
using test::Trace;

// What a script writes.
std::string output_of(ProcessOptions options) {
  std::string text;
  test::run([&] {
    options.output = Stdio::pipe();
    auto process = Process::spawn(options);
    text = read_to_end(process.output());
    process.wait();
  });
  return text;
}

ProcessOptions with_env(ProcessOptions options,
                        std::map<std::string, std::optional<std::string>> env, bool inherits) {
  options.env = std::move(env);
  options.inherit_env = inherits;
  return options;
}

TEST_SUITE_BEGIN("io/process_stdio");

TEST_CASE("pipes lead to a child's input, output and errors") {
  test::run([&] {
    ProcessOptions options = shell("read line; echo got $line; echo bad >&2");
    options.input = options.output = options.errors = Stdio::pipe();
    auto process = Process::spawn(options);

    process.input().write("text\n");

    CHECK(read_to_end(process.output()) == "got text\n");
    CHECK(read_to_end(process.errors()) == "bad\n");
    CHECK(process.wait().is_success());
  });
}

TEST_CASE("a child has more descriptors if they are given, both ways") {
  test::run([&] {
    ProcessOptions options = shell("read line <&4; echo $line >&4");
    options.more = {Stdio::ignore(), Stdio::pipe()};
    auto process = Process::spawn(options);

    process.pipe(4).write("there and back\n");

    CHECK(read_to_end(process.pipe(4)) == "there and back\n");
    process.wait();
  });
}

TEST_CASE("a child without a descriptor to read has /dev/null, and none beyond the third") {
  ProcessOptions options =
      shell("cat; if { true >&3; } 2>&-; then echo open; else echo closed; fi");
  options.input = Stdio::ignore();
  options.more = {Stdio::ignore()};

  CHECK(output_of(options) == "closed\n");
}

TEST_CASE("a child gets a copy of a descriptor, which stays open here") {
  const TempDir dir;
  dir.write("in", "from a file");
  const int file = ::open(dir.path("in").c_str(), O_RDONLY | O_CLOEXEC);
  ProcessOptions options = {.file = "cat", .input = Stdio::fd(file)};

  CHECK(output_of(options) == "from a file");
  CHECK(::close(file) == 0);
}

TEST_CASE("the output of one child is the input of the next") {
  test::run([&] {
    ProcessOptions first = shell("echo b; echo a");
    first.output = Stdio::pipe();
    auto writer = Process::spawn(first);
    auto sorter = Process::spawn(
        {.file = "sort", .input = Stdio::stream(writer.output()), .output = Stdio::pipe()});
    writer.output().close();

    CHECK(read_to_end(sorter.output()) == "a\nb\n");
    writer.wait();
    sorter.wait();
  });
}

TEST_CASE("a stream outlives the process it was moved out of") {
  test::run([&] {
    ProcessOptions options = shell("echo text");
    options.output = Stdio::pipe();
    auto output = std::move(Process::spawn(options).output());

    CHECK(read_to_end(output) == "text\n");
  });
}

TEST_CASE("variables are added to the environment, replaced, and left out") {
  ::setenv("WEFT_TEST_OLD", "old", 1);
  ::setenv("WEFT_TEST_GONE", "gone", 1);
  const ProcessOptions tell =
      shell("echo $WEFT_TEST_OLD-$WEFT_TEST_NEW-$WEFT_TEST_GONE-${HOME:+home}");

  CHECK(output_of(with_env(tell, {{"HOME", "/"}}, true)) == "old--gone-home\n");
  CHECK(output_of(with_env(tell,
                           {{"WEFT_TEST_NEW", "new"},
                            {"WEFT_TEST_GONE", std::nullopt},
                            {"WEFT_TEST_OLD", "other"},
                            {"HOME", "/"}},
                           true)) == "other-new--home\n");
  CHECK(output_of(with_env(tell, {{"WEFT_TEST_NEW", "new"}}, false)) == "-new--\n");
}

TEST_CASE("a child begins in the directory, and under the name, that it is given") {
  const TempDir dir;
  ProcessOptions options = shell("{ pwd -P; echo $0; } | sed 's/^.*weft-test-.*$/there/'");
  options.cwd = dir.path();
  options.argv0 = "other";

  CHECK(output_of(options) == "there\nother\n");
}

TEST_CASE("a detached child leads a session of its own") {
  test::run([&] {
    ProcessOptions options = {.file = "cat", .input = Stdio::pipe(), .detached = true};
    auto process = Process::spawn(options);
    CHECK(::getsid(process.pid()) == process.pid());
    process.input().close();
    process.wait();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
