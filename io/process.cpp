#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/child_process.h>
#include <weft/io/detail/owner.h>
#include <weft/io/process.h>
#include <weft/io/signal.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;

std::string ExitStatus::to_string() const {
  return signal != 0 ? signal_name(signal) : "exit " + std::to_string(code);
}

Process::Process(Block block, std::vector<std::optional<PipeStream>> pipes) noexcept
    : block_(std::move(block)), pipes_(std::move(pipes)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

weft::detail::ChildProcess& Process::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

Process Process::spawn(const ProcessOptions& options, const SourceLocation& at) {
  auto spawned = weft::detail::spawn_process(EventLoop::current("spawn"), options);
  spawned.child->set_created_at(at);
  return {std::move(spawned.child), std::move(spawned.pipes)};
}

ExitStatus Process::wait() {
  auto& child = block("wait");
  return await_leaf<ExitStatus>(
      "wait for a process", [&](Done<ExitStatus> done) { return child.wait(done); },
      [&] { child.cancel_wait(); });
}
void Process::wait(Callback<ExitStatus> done) {
  auto& child = block("wait");
  start_leaf(child, std::move(done), [&](auto callback) { return child.wait(callback); });
}

void Process::on_exit(UniqueFunction<void(ExitStatus)> handler) {
  block("on_exit").on_exit(std::move(handler));
}
std::optional<ExitStatus> Process::status() const {
  return block("status").status();
}
void Process::kill(int signal) {
  block("kill").kill(signal);
}
int Process::pid() const {
  return block("pid").pid();
}

PipeStream& Process::pipe(int child_fd) {
  const auto at = static_cast<std::size_t>(child_fd);
  if (child_fd < 0 || at >= pipes_.size() || !pipes_[at]) {
    throw UsageError("pipe: descriptor " + std::to_string(child_fd) +
                     " of the child is no pipe; spawn it with Stdio::pipe() there");
  }
  return *pipes_[at];
}

void Process::ref() {
  block("ref").set_referenced(true);
}
void Process::unref() {
  block("unref").set_referenced(false);
}
AsyncId Process::async_id() const {
  return block("async_id").resource().async_id();
}

}  // namespace weft::io
