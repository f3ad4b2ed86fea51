#include <csignal>
#include <cstdlib>
#include <exception>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace weft::detail {
namespace {

// What run() rethrew last on this thread.
thread_local std::exception_ptr printed;
std::terminate_handler terminate_otherwise = nullptr;

[[noreturn]] void end_with_status_1() {
  if (printed != nullptr && std::current_exception() == printed) std::exit(1);
  if (terminate_otherwise != nullptr) terminate_otherwise();
  std::abort();
}

struct MainEnd {
  EventLoop& loop;
  ~MainEnd() { loop.main_ended(); }
};

}  // namespace

// An exception keeps the handler that is there when it is thrown.
void note_printed(std::exception_ptr error) noexcept {
  const std::terminate_handler now = std::get_terminate();
  if (now != &end_with_status_1) {
    terminate_otherwise = now;
    std::set_terminate(&end_with_status_1);
  }
  printed = std::move(error);
}

// A peer that closed must be an error of the write, not the end of the process.
void ignore_broken_pipes() noexcept {
  struct sigaction current;
  if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
    ::signal(SIGPIPE, SIG_IGN);
  }
}

int run_loop(uv_loop_s* uv, UniqueFunction<int()> main, RunOptions options, Clock clock,
             SourceLocation at) {
  if (EventLoop::current_or_null() != nullptr) {
    throw UsageError("run: a loop runs on this thread already; spawn() a fiber on it instead");
  }
  printed = nullptr;
  ignore_broken_pipes();
  open_standard_descriptors();
  const std::size_t stack_bytes = options.main_stack_bytes;
  FrameRef inherited = capture();
  int status = 0;
  EventLoop loop(uv, std::move(options), clock);
  {
    current_execution().frame = std::move(inherited).release();
    spawn(
        [&status, &loop, main = std::move(main)]() mutable {
          const MainEnd end{loop};
          status = main();
        },
        {.name = "main", .stack_bytes = stack_bytes}, at);
    FrameRef::adopt(std::exchange(current_execution().frame, nullptr));
  }
  loop.run();
  return status;
}

int run_main(uv_loop_s* uv, UniqueFunction<int()> main, RunOptions options, SourceLocation at) {
  return run_loop(uv, std::move(main), std::move(options), Clock::kReal, at);
}

}  // namespace weft::detail
