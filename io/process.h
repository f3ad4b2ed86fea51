// Process: a program that runs beside this one.
//
//   const auto ran = io::run_process({.file = "git", .args = {"log", "-1"}});
//   if (!ran.status.is_success()) throw std::runtime_error(ran.errors);
//
//   auto sort = io::Process::spawn({.file = "sort", .input = io::Stdio::pipe()});
//   sort.input().write("b\na\n");
//   sort.input().shutdown();
//   sort.wait();
//
// A Process is no leash: dropping it closes the pipes it still has and lets the program
// go on. Its end is noticed all the same while the loop runs, so that no zombie is left,
// and whatever waits for it (wait(done), on_exit) is told. A run that ends leaves its
// children running, as does a fiber that is cancelled; run_process() is the form that does
// not. Source: Node `child_process`; uv_spawn.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/pipe.h>
#include <weft/runtime/await.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class ChildProcess;
struct StdioAccess;
struct LetGoOfProcess {
  void operator()(ChildProcess* child) const noexcept;
};
}  // namespace detail

namespace io {

// How a process ended.
struct ExitStatus {
  std::int64_t code = 0;  // what it exited with; 0 when a signal ended it
  int signal = 0;         // which one ended it; 0: it exited

  bool is_success() const noexcept { return code == 0 && signal == 0; }
  // "exit 1", "SIGKILL".
  std::string to_string() const;

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// What one descriptor of a child is.
class Stdio {
 public:
  // This program's descriptor of the same number.
  static Stdio inherit() noexcept { return Stdio(Kind::kInherit); }
  // /dev/null; from descriptor 3 on, closed.
  static Stdio ignore() noexcept { return Stdio(Kind::kIgnore); }
  // A new pipe, both ways, whose other end is Process::pipe().
  static Stdio pipe() noexcept { return Stdio(Kind::kPipe); }
  // As pipe(), over which handles can be sent.
  static Stdio ipc() noexcept { return Stdio(Kind::kIpc); }
  // A copy of one of this program's. It stays open here.
  static Stdio fd(int fd) noexcept { return Stdio(Kind::kFd, fd); }
  // A copy of a stream's. As the child's descriptors 0 to 2 it blocks, and so does the
  // stream here: close that when the child has it.
  static Stdio stream(const Stream& stream) { return fd(stream.fd()); }

 private:
  friend struct weft::detail::StdioAccess;
  enum class Kind : std::uint8_t { kInherit, kIgnore, kPipe, kIpc, kFd };
  explicit Stdio(Kind kind, int fd = -1) noexcept : kind_(kind), fd_(fd) {}

  Kind kind_;
  int fd_;  // of kFd
};

struct ProcessOptions {
  // A path, or a name that is looked up in the child's PATH.
  std::string file = {};
  // Behind the program's own name.
  std::vector<std::string> args = {};
  // The name the program gets, if it is not `file`.
  std::optional<std::string> argv0 = {};
  // What changes in the environment: a value, or nothing to leave a variable out.
  std::map<std::string, std::optional<std::string>> env = {};
  // false: the child's environment is `env` alone.
  bool inherit_env = true;
  // The directory it begins in; empty: this program's.
  std::string cwd = {};

  Stdio input = Stdio::inherit();
  Stdio output = Stdio::inherit();
  Stdio errors = Stdio::inherit();
  // Descriptors 3, 4, ...
  std::vector<Stdio> more = {};

  // Who it runs as; needs privileges. It has no other groups then.
  std::optional<unsigned> uid = {};
  std::optional<unsigned> gid = {};
  // In a session of its own: Ctrl-C and the terminal's end do not reach it.
  bool detached = false;
  // No window for it; means something on Windows only.
  bool hide_window = false;
};

class Process {
 public:
  // Starts a program; blocks until it runs.
  //
  // Context: loop thread
  // Errors:  no_such_file_or_directory, permission_denied, argument_list_too_long;
  //          operation_not_permitted (uid, gid); too_many_files_open. The text names
  //          the file, or the directory if it is at fault. UsageError for an empty
  //          `file`, for a zero byte in a text, and for a `=` in a variable's name.
  // Source:  Node `child_process.spawn`, which tells errors on a later tick, and makes
  //          pipes where nothing is said; uv_spawn.
  static Process spawn(const ProcessOptions& options,
                       const SourceLocation& at = SourceLocation::current());

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  // Waits for the end. Once it has come, every wait returns at once.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, unless it has ended.
  // Order:    the pipes may have more to read. `done` comes even when the Process is dropped.
  // Errors:   operation_canceled (the run ends); no_child_process: somebody else in the
  //           program has taken its status. UsageError for a second wait at a time.
  // Cancel:   the program goes on.
  ExitStatus wait();
  void wait(Callback<ExitStatus> done);
  // Called at the end, even when the Process is dropped before. Not when the run ends before;
  // with code -1 where somebody else in the program has taken its status.
  void on_exit(UniqueFunction<void(ExitStatus status)> handler);
  // How it ended; nothing while it runs.
  std::optional<ExitStatus> status() const;

  // Sends a signal; does nothing once the end was noticed.
  //
  // Errors: operation_not_permitted; invalid_argument for a number that is no signal.
  void kill(int signal = SIGTERM);
  int pid() const;

  // Our ends of the child's descriptors 0, 1 and 2, and of any, where Stdio::pipe() was
  // asked for. Move one out to keep it longer than the Process.
  // Errors: UsageError where it was not.
  PipeStream& input() { return pipe(0); }
  PipeStream& output() { return pipe(1); }
  PipeStream& errors() { return pipe(2); }
  PipeStream& pipe(int child_fd);

  // Whether the child keeps the loop alive; at first it does, and when the Process is
  // dropped, if somebody waits for the end.
  void ref();
  void unref();
  AsyncId async_id() const;

 private:
  using Block = std::unique_ptr<weft::detail::ChildProcess, weft::detail::LetGoOfProcess>;
  Process(Block block, std::vector<std::optional<PipeStream>> pipes) noexcept;
  weft::detail::ChildProcess& block(const char* what) const;

  Block block_;
  std::vector<std::optional<PipeStream>> pipes_;  // by the child's descriptor
};

struct RunProcessOptions {
  // Of what it writes to either of output and errors.
  std::size_t output_bytes_max = std::size_t{16} * 1024 * 1024;
  // Between SIGTERM and SIGKILL, when it must end early.
  std::chrono::nanoseconds grace = std::chrono::seconds(5);
};

struct ProcessOutput {
  ExitStatus status;
  std::string output;
  std::string errors;
};

// Runs a program to its end, writes `input` to it, and collects what it writes. What
// `options` say of descriptors 0 to 2 does not count.
//
// Context:  fiber
// Suspends: always.
// Errors:   as Process::spawn, Stream::read and Stream::write; no_buffer_space for more
//           than `output_bytes_max`. A program that fails is none, nor one that does not
//           read its input: look at `status`.
// Cancel:   the program gets SIGTERM, after the grace SIGKILL, and is waited for; so with
//           every error. While the run itself ends nothing can be waited for: it gets both
//           at once. What it started itself may go on, with nobody at its pipes; so may
//           a program that it may not kill, which is operation_not_permitted.
// Source:   trio `run_process`.
ProcessOutput run_process(ProcessOptions options, std::string_view input = {},
                          RunProcessOptions limits = {});

}  // namespace io
}  // namespace weft
