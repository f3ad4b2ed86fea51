// What uv_spawn wants to be told, out of ProcessOptions.
#include <algorithm>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/child_process.h>
#include <weft/io/detail/descriptor.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

// The two ends of a child's pipe. Ours is libuv's with the stream, theirs goes once the
// child has its copy.
struct ChildPipe {
  Descriptor ours;
  Descriptor theirs;
  bool is_ipc = false;
};

struct StdioAccess {
  using Kind = io::Stdio::Kind;
  static Kind kind(const io::Stdio& stdio) noexcept { return stdio.kind_; }
  static int fd(const io::Stdio& stdio) noexcept { return stdio.fd_; }
};

namespace {

// Null-terminated pointers to texts, which live elsewhere.
class PointerList {
 public:
  void add(const std::string& text) {
    if (text.find('\0') != std::string::npos) {
      throw UsageError("spawn: a text has a zero byte in it, where the child would see its end");
    }
    pointers_.insert(pointers_.end() - 1, const_cast<char*>(text.c_str()));
  }
  char** data() noexcept { return pointers_.data(); }

 private:
  std::vector<char*> pointers_ = {nullptr};
};

std::vector<std::string> make_environment(const io::ProcessOptions& options) {
  std::vector<std::string> environment;
  for (char** variable = environ; options.inherit_env && *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const bool is_changed = options.env.contains(std::string(text.substr(0, text.find('='))));
    if (!is_changed) environment.emplace_back(text);
  }
  for (const auto& [name, value] : options.env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      throw UsageError("spawn: '" + name + "' is no name of a variable; its name ends at a '='");
    }
    if (value) environment.push_back(name + "=" + *value);
  }
  return environment;
}

std::vector<io::Stdio> all_stdio(const io::ProcessOptions& options) {
  std::vector<io::Stdio> all = {options.input, options.output, options.errors};
  all.insert(all.end(), options.more.begin(), options.more.end());
  return all;
}

ChildPipe make_pipe(bool is_ipc, const std::string& doing) {
  int fds[2];
  open_standard_descriptors();
  must_succeed(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), doing);
  return {Descriptor(fds[0]), Descriptor(fds[1]), is_ipc};
}

uv_stdio_container_t inherited(int fd) noexcept {
  uv_stdio_container_t container = {};
  container.flags = UV_INHERIT_FD;
  container.data.fd = fd;
  return container;
}

// "spawn ls", or what else the error is about.
std::string describe_failure(const io::ProcessOptions& options) {
  if (!options.cwd.empty() && ::access(options.cwd.c_str(), X_OK) != 0) {
    return "spawn " + options.file + " in " + options.cwd;
  }
  return "spawn " + options.file;
}

// Owns all that uv_process_options_t points to.
struct Arguments {
  explicit Arguments(const io::ProcessOptions& from)
      : doing("spawn " + from.file), environment(make_environment(from)) {
    if (from.file.empty()) throw UsageError("spawn: no file is given");
    file.add(from.file);
    cwd.add(from.cwd);
    args.add(from.argv0 ? *from.argv0 : from.file);
    for (const std::string& arg : from.args) args.add(arg);
    for (const std::string& variable : environment) env.add(variable);
    const std::vector<io::Stdio> all = all_stdio(from);
    pipes.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) stdio.push_back(container_of(all[i], i));
    fill(from);
  }

  uv_stdio_container_t container_of(const io::Stdio& of, std::size_t child_fd) {
    using Kind = StdioAccess::Kind;
    switch (StdioAccess::kind(of)) {
      case Kind::kInherit:
        return inherited(static_cast<int>(child_fd));
      case Kind::kFd:
        return inherited(StdioAccess::fd(of));
      case Kind::kPipe:
      case Kind::kIpc:
        pipes[child_fd] = make_pipe(StdioAccess::kind(of) == Kind::kIpc, doing);
        return inherited(pipes[child_fd].theirs.get());
      case Kind::kIgnore:
        break;
    }
    return {};
  }

  void fill(const io::ProcessOptions& from) {
    options.file = from.file.c_str();
    options.args = args.data();
    options.env = env.data();
    if (!from.cwd.empty()) options.cwd = from.cwd.c_str();
    options.stdio = stdio.data();
    options.stdio_count = static_cast<int>(stdio.size());
    if (from.uid) options.flags |= UV_PROCESS_SETUID;
    if (from.gid) options.flags |= UV_PROCESS_SETGID;
    options.uid = from.uid.value_or(0);
    options.gid = from.gid.value_or(0);
    if (from.detached) options.flags |= UV_PROCESS_DETACHED;
    if (from.hide_window) options.flags |= UV_PROCESS_WINDOWS_HIDE;
  }

  std::string doing;
  std::vector<std::string> environment;
  PointerList file;  // these two are only looked at
  PointerList cwd;
  PointerList args;
  PointerList env;
  std::vector<uv_stdio_container_t> stdio;
  std::vector<ChildPipe> pipes;  // by the child's descriptor; empty where there is none
  uv_process_options_t options = {};
};

}  // namespace

SpawnedProcess spawn_process(EventLoop& loop, const io::ProcessOptions& options) {
  Arguments arguments(options);
  SpawnedProcess spawned;
  spawned.pipes.resize(arguments.pipes.size());
  int code = 0;
  spawned.child.reset(new ChildProcess(loop, arguments.options, code));
  uv_check(code, code < 0 ? describe_failure(options) : std::string());
  try {
    for (std::size_t i = 0; i < spawned.pipes.size(); ++i) {
      ChildPipe& pipe = arguments.pipes[i];
      if (pipe.ours.get() < 0) continue;
      std::string name = "fd " + std::to_string(i) + " of " + options.file;
      spawned.pipes[i] = StreamAccess::make<io::PipeStream>(
          open_pipe(loop, pipe.ours, std::move(name), {.ipc = pipe.is_ipc}));
    }
  } catch (...) {
    spawned.child->kill(SIGKILL);  // nobody could have talked to it
    throw;
  }
  return spawned;
}

}  // namespace weft::detail
