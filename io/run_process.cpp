#include <csignal>
#include <exception>
#include <span>
#include <string>
#include <system_error>
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
  std::string doing;
  std::size_t output_bytes_max;
  ProcessOutput result = {};
  std::exception_ptr error = {};  // the first, which ends the run

  // A child that does not read its input is no error of ours.
  void feed(std::string_view input) {
    try {
      child.input().write(input);
      child.input().shutdown();
    } catch (const std::system_error& failed) {
      child.input().close();
      const std::error_code& code = failed.code();
      if (code != std::errc::broken_pipe && code != std::errc::connection_reset) throw;
    }
  }

  void collect(PipeStream& from, std::string& into) {
    char part[16 * 1024];
    while (const std::size_t count = from.read(std::as_writable_bytes(std::span(part)))) {
      if (count > output_bytes_max - into.size()) raise_too_much();
      into.append(part, count);
    }
  }

  [[noreturn]] void raise_too_much() const {
    weft::detail::uv_error(
        UV_ENOBUFS, doing + ": more than " + std::to_string(output_bytes_max) + " bytes of output")
        .raise();
  }

  // Spawns what fails for all.
  template <typename F>
  void spawn(TaskGroup& group, F fn) {
    group.spawn([this, &group, fn = std::move(fn)] {
      try {
        fn();
      } catch (const std::exception&) {
        if (error == nullptr) error = std::current_exception();
        group.cancel("an error");
      }
    });
  }

  void to_the_end(std::string_view input) {
    task_group([&](TaskGroup& group) {
      spawn(group, [&] { feed(input); });
      spawn(group, [&] { collect(child.output(), result.output); });
      spawn(group, [&] { collect(child.errors(), result.errors); });
      result.status = child.wait();
    });
    if (error != nullptr) std::rethrow_exception(error);
  }

  void end_early(std::chrono::nanoseconds grace) {
    try {
      child.kill(SIGTERM);
      if (move_on_after(grace, [&] { child.wait(); })) return;
    } catch (const std::exception&) {  // no grace then
    }
    child.kill(SIGKILL);
    try {
      child.wait();
    } catch (const std::system_error&) {  // the run ends, and nobody can wait for it
    }
  }
};

}  // namespace

ProcessOutput run_process(ProcessOptions options, std::string_view input,
                          RunProcessOptions limits) {
  options.input = options.output = options.errors = Stdio::pipe();
  Run run{Process::spawn(options), "run " + options.file, limits.output_bytes_max};
  try {
    run.to_the_end(input);
  } catch (...) {
    shielded([&] { run.end_early(limits.grace); });
    throw;
  }
  return std::move(run.result);
}

}  // namespace weft::io
