#include <csignal>
#include <span>
#include <utility>

#include <uv.h>

#include <weft/io/process.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/task_group.h>

namespace weft::io {
namespace {

// What one run of a program consists of: its fibers share it.
struct Run {
  Process child;
  std::size_t output_bytes_max;
  ProcessOutput result = {};
  bool is_too_much = false;

  // A child that does not read its input is no error of ours.
  void feed(std::string_view input) {
    try {
      child.input().write(input);
      child.input().shutdown();
    } catch (const std::system_error&) {
      child.input().close();
    }
  }

  void collect(TaskGroup& group, PipeStream& from, std::string& into) {
    char part[16 * 1024];
    while (const std::size_t count = read_some(from, std::as_writable_bytes(std::span(part)))) {
      if (count > output_bytes_max - into.size()) {
        is_too_much = true;
        return group.cancel("too much output");
      }
      into.append(part, count);
    }
  }

  // A child that was killed may reset what it did not read.
  static std::size_t read_some(PipeStream& from, std::span<std::byte> into) {
    try {
      return from.read(into);
    } catch (const std::system_error&) {
      return 0;
    }
  }

  void to_the_end(std::string_view input) {
    task_group([&](TaskGroup& group) {
      group.spawn([&] { feed(input); });
      group.spawn([&] { collect(group, child.output(), result.output); });
      group.spawn([&] { collect(group, child.errors(), result.errors); });
      result.status = child.wait();
    });
  }

  void end_early(std::chrono::nanoseconds grace) {
    child.kill(SIGTERM);
    try {
      if (move_on_after(grace, [&] { child.wait(); })) return;
      child.kill(SIGKILL);
      child.wait();
    } catch (const std::system_error&) {  // the run ends, and nobody can wait for it
      child.kill(SIGKILL);
    }
  }
};

}  // namespace

ProcessOutput run_process(ProcessOptions options, std::string_view input,
                          RunProcessOptions limits) {
  options.input = options.output = options.errors = Stdio::pipe();
  Run run{Process::spawn(options), limits.output_bytes_max};
  try {
    run.to_the_end(input);
  } catch (...) {
    shielded([&] { run.end_early(limits.grace); });
    throw;
  }
  if (run.is_too_much) {
    shielded([&] { run.end_early(limits.grace); });
    weft::detail::uv_error(UV_ENOBUFS, "run " + options.file + ": more than " +
                                           std::to_string(limits.output_bytes_max) +
                                           " bytes of output")
        .raise();
  }
  return std::move(run.result);
}

}  // namespace weft::io
