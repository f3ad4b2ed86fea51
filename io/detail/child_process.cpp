#include <cerrno>
#include <csignal>
#include <mutex>
#include <string>
#include <sys/wait.h>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/child_process.h>
#include <weft/io/signal.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// Children whose loops have ended, of all threads.
class Orphans {
 public:
  static Orphans& instance() {
    static auto* const orphans = new Orphans;  // outlives every loop
    return *orphans;
  }

  void add(std::unique_ptr<Orphan> orphan) noexcept {
    const std::scoped_lock lock(mutex_);
    orphan->next = std::move(first_);
    first_ = std::move(orphan);
  }

  // Does nothing when it was let go of: its number may be another's.
  void kill(int pid, int signal) noexcept {
    const std::scoped_lock lock(mutex_);
    for (const Orphan* at = first_.get(); at != nullptr; at = at->next.get()) {
      if (at->pid == pid) ::kill(pid, signal);
    }
  }

  // Lets go of those that have ended.
  void reap() noexcept {
    const std::scoped_lock lock(mutex_);
    for (std::unique_ptr<Orphan>* at = &first_; *at != nullptr;) {
      if (::waitpid((*at)->pid, nullptr, WNOHANG) == 0) {
        at = &(*at)->next;
      } else {
        *at = std::move((*at)->next);
      }
    }
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Orphan> first_;
};

}  // namespace

ChildProcess::ChildProcess(EventLoop& loop, uv_process_options_t& options, int& code)
    : Handle(loop, "PROCESSWRAP") {
  Orphans::instance().reap();
  options.exit_cb = [](uv_process_t* handle, std::int64_t exit_code, int signal) {
    static_cast<ChildProcess&>(from(handle->data)).ended({exit_code, signal});
  };
  open_standard_descriptors();
  code = loop.signals().hear(SIGCHLD, [&] { return uv_spawn(loop.uv(), &handle_, &options); });
  set_data();
  if (code == 0) {
    is_running_ = true;
    end_ = ChildEnd::watch(loop.uv(), handle_.pid, *this);
  } else {
    status_.emplace();
  }
  orphan_->pid = handle_.pid;
}

// As in Node, the handle closes when the child ends; what is called here comes before that.
void ChildProcess::ended(io::ExitStatus status) {
  status_ = status;
  stop_watching();
  if (!exit_handler_ && !wait_) return loop().call(resource(), [] {});
  exit_handler_.call(loop(), resource(), status);
  wait_.complete(loop(), resource(), status);
}

// A handler has no place for an error: the status says that nobody knows.
void ChildProcess::lost() {
  is_lost_ = true;
  stop_watching();
  if (!exit_handler_ && !wait_) return loop().call(resource(), [] {});
  exit_handler_.call(loop(), resource(), io::ExitStatus{.code = -1});
  wait_.complete(loop(), resource(), lost_status());
}

void ChildProcess::stop_watching() noexcept {
  is_running_ = false;
  std::exchange(is_let_go_, false) ? DropHandle()(this) : close();
}

std::optional<Result<io::ExitStatus>> ChildProcess::wait(Done<io::ExitStatus> done) {
  require_callback(done, "wait");
  if (status_) return Result<io::ExitStatus>(*status_);
  if (is_lost_) return Result<io::ExitStatus>(lost_status());
  if (is_closing()) return Result<io::ExitStatus>(cancelled_wait());
  if (wait_) throw UsageError("wait: another wait for this process is pending; one at a time");
  wait_.take(done);
  return std::nullopt;
}

void ChildProcess::cancel_wait() {
  wait_.complete(loop(), resource(), cancelled_wait());
}

Error ChildProcess::cancelled_wait() const noexcept {
  return uv_error(UV_ECANCELED, text_or_nothing([&] { return "wait " + std::to_string(pid()); }));
}

Error ChildProcess::lost_status() const noexcept {
  return uv_error(uv_translate_sys_error(ECHILD), text_or_nothing([&] {
                    return "wait " + std::to_string(pid()) + ": somebody else has taken its status";
                  }));
}

// Once the child is reaped its number may be another's.
void ChildProcess::kill(int signal) {
  if (!is_running_) return;
  if (is_closing()) return Orphans::instance().kill(pid(), signal);
  const int code = uv_process_kill(&handle_, signal);
  if (code == 0 || code == UV_ESRCH) return;
  uv_check(code, "kill " + std::to_string(pid()) + " with " + io::signal_name(signal));
}

void ChildProcess::let_go() noexcept {
  WEFT_CHECK(is_closed() || &loop() == EventLoop::current_or_null());
  if (!is_running_ || is_closing()) return DropHandle()(this);
  is_let_go_ = true;
  if (!wait_ && !exit_handler_) set_referenced(false);
}

void ChildProcess::begin_close() noexcept {
  if (end_ != nullptr) std::exchange(end_, nullptr)->close();
  if (std::exchange(is_let_go_, false)) DropHandle()(this);
  if (is_running_) Orphans::instance().add(std::move(orphan_));
}

void ChildProcess::end_pending() noexcept {
  if (wait_) cancel_wait();
}

void ChildProcess::drop_handlers() noexcept {
  exit_handler_.clear();
}

void LetGoOfProcess::operator()(ChildProcess* child) const noexcept {
  child->let_go();
}

}  // namespace weft::detail
