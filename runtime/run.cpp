#include <csignal>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace weft::detail {
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
  ignore_broken_pipes();
  const std::size_t stack_bytes = options.main_stack_bytes;
  FrameRef inherited = capture();
  int status = 0;
  EventLoop loop(uv, std::move(options), clock);
  {
    current_execution().frame = std::move(inherited).release();
    spawn([&status, main = std::move(main)]() mutable { status = main(); },
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
