// ChildProcess: the block behind a Process.
//
// libuv reaps a child only while its handle is open. So the handle of one that is let go
// of stays open, and nobody's, until the child ends. A loop that ends closes it earlier;
// the child is an orphan then, which the next spawn on any loop looks after.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <uv.h>

#include <weft/io/detail/child_end.h>
#include <weft/io/process.h>
#include <weft/runtime/detail/handle.h>

namespace weft::detail {

// A child whose loop has ended. Made together with the child: no memory is needed later.
struct Orphan {
  int pid = 0;
  std::unique_ptr<Orphan> next = {};
};

class ChildProcess final : public Handle {
 public:
  using Ptr = std::unique_ptr<ChildProcess, LetGoOfProcess>;

  // Spawns. libuv makes the handle in the same call; `code` is what it says.
  ChildProcess(EventLoop& loop, uv_process_options_t& options, int& code);

  // Leaf.
  std::optional<Result<io::ExitStatus>> wait(Done<io::ExitStatus> done);
  // Ends the pending wait with operation_canceled.
  void cancel_wait();
  void on_exit(UniqueFunction<void(io::ExitStatus)> handler) {
    exit_handler_.set(std::move(handler));
  }
  const std::optional<io::ExitStatus>& status() const noexcept { return status_; }
  void kill(int signal);
  int pid() const noexcept { return handle_.pid; }
  // The child has ended and is reaped.
  void ended(io::ExitStatus status);
  // It has ended, and somebody else has taken its status.
  void lost();
  // The owner is gone.
  void let_go() noexcept;

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void begin_close() noexcept override;
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;
  // As in Node: the end was told, the close is nobody's business.
  void tell_closed(PersistentHandler<>& /*handler*/) override {}

 private:
  Error cancelled_wait() const noexcept;
  Error lost_status() const noexcept;
  ~ChildProcess() override = default;

  // What both ends have in common: nothing waits for it any more, the handle closes.
  void stop_watching() noexcept;

  uv_process_t handle_ = {};
  std::unique_ptr<Orphan> orphan_ = std::make_unique<Orphan>();
  std::optional<io::ExitStatus> status_;
  ChildEnd* end_ = nullptr;  // null: libuv alone tells
  bool is_running_ = false;
  bool is_lost_ = false;    // it has ended, how is not known
  bool is_let_go_ = false;  // the owner is gone, the handle is open still
  Completion<io::ExitStatus> wait_;
  PersistentHandler<io::ExitStatus> exit_handler_;
};

struct SpawnedProcess {
  ChildProcess::Ptr child;
  std::vector<std::optional<io::PipeStream>> pipes;  // by the child's descriptor
};

// Errors: as io::Process::spawn.
SpawnedProcess spawn_process(EventLoop& loop, const io::ProcessOptions& options);

}  // namespace weft::detail
