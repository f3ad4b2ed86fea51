#include <cstddef>
#include <optional>
#include <span>

#include <doctest/doctest.h>

#include <weft/io/process.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/conformance/reproduce.h>
#include <weft/tests/support/children.h>

namespace weft {
namespace {

using io::ExitStatus;
using io::Process;
using io::ProcessOptions;
using io::Stdio;
using test::Life;
using test::reproduce;

TEST_SUITE_BEGIN("conformance/process");

// What Node's child process does by itself is written out: the tick of 'spawn', and the
// end that answers the end of its output.
struct Child {
  Life& life;
  std::optional<Process> process = {};

  void spawn(const ProcessOptions& options) {
    process = Process::spawn(options);
    next_tick([this] { life.cb("spawn"); });
  }
  void listen() {
    process->output().on_data([this](std::span<const std::byte>) {
      life.cb("stdout-data");
      process->input().close();
    });
    process->input().on_close([this] { life.cb("stdin-close"); });
    process->output().on_end([this] {
      process->output().shutdown([this](const Result<void>&) { process->output().close(); });
    });
    process->output().on_close([this] {
      life.cb("stdout-close");
      process->kill();
    });
    process->on_exit([this](ExitStatus status) { life.cb("exit-" + status.to_string()); });
  }
};

TEST_CASE("a process is a resource before its pipes, called at its end; each pipe has its life") {
  ProcessOptions options = test::shell("echo hi; read line; exec >&-; exec sleep 60");
  options.input = options.output = Stdio::pipe();
  options.errors = Stdio::ignore();

  reproduce("child-spawn", [&options](Life& life) {
    Child child{life};
    life.run([&] {
      life.als.run("A", [&] {
        child.spawn(options);
        life.als.run("L", [&] { child.listen(); });
      });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
