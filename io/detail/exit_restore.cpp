#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <weft/io/detail/exit_restore.h>

namespace weft::detail {
namespace {

// Claimed and released by threads, read by a signal handler on any: `state` orders it.
struct TerminalSlot {
  enum : int { kFree, kClaimed, kSet };

  std::atomic<int> state{kFree};
  int fd = -1;
  termios original{};
};

struct Changes {
  std::array<TerminalSlot, 8> terminals;
  std::array<std::atomic<bool>, 3> blocks{};  // descriptor i did
  std::atomic<pid_t> process{0};              // whose changes these are
};

// Never destroyed: exit handlers and signals come late.
constinit Changes changes;

int set_terminal(int fd, int when, const termios& settings) noexcept {
  while (::tcsetattr(fd, when, &settings) != 0) {
    if (errno != EINTR) return uv_translate_sys_error(errno);
  }
  return 0;
}

// Whether the terminal is this session's, and another process group has it.
bool is_in_background(int fd) noexcept {
  const pid_t foreground = ::tcgetpgrp(fd);
  return foreground >= 0 && foreground != ::getpgrp() && ::tcgetsid(fd) == ::getsid(0);
}

void restore_all() noexcept {
  if (changes.process.load() != ::getpid()) return;
  for (TerminalSlot& slot : changes.terminals) {
    if (slot.state.load() == TerminalSlot::kSet) put_back(slot.fd, slot.original);
  }
  for (int fd = 0; fd < 3; ++fd) {
    if (!changes.blocks[static_cast<std::size_t>(fd)].load()) continue;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }
}

// The default is back when this runs (SA_RESETHAND).
void restore_and_die(int signal) {
  restore_all();
  ::raise(signal);
}

void handle_signals() noexcept {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) {
    struct sigaction current {};
    ::sigaction(signal, nullptr, &current);
    if ((current.sa_flags & SA_SIGINFO) != 0 || current.sa_handler != SIG_DFL) continue;
    struct sigaction ours {};
    ours.sa_handler = restore_and_die;
    ours.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    ::sigaction(signal, &ours, nullptr);
  }
}

void install() noexcept {
  if (changes.process.exchange(::getpid()) == 0) std::atexit(restore_all);
  handle_signals();
}

int claim_slot(int fd, const termios& original) noexcept {
  for (std::size_t i = 0; i < changes.terminals.size(); ++i) {
    TerminalSlot& slot = changes.terminals[i];
    int expected = TerminalSlot::kFree;
    if (!slot.state.compare_exchange_strong(expected, TerminalSlot::kClaimed)) continue;
    slot.fd = fd;
    slot.original = original;
    slot.state.store(TerminalSlot::kSet);
    return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

// SIGTTOU stops a process that sets a terminal from the background, and the terminal may
// go to another group behind the look.
int put_back(int fd, const termios& settings) noexcept {
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &stop, &before);
  const int code = is_in_background(fd) ? 0 : set_terminal(fd, TCSANOW, settings);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return code;
}

int change_terminal(int fd, const termios& settings) noexcept {
  return set_terminal(fd, TCSADRAIN, settings);
}

TerminalRestore::TerminalRestore(int fd)
    : fd_(must_succeed(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "set_mode")) {
  must_succeed(::tcgetattr(fd_.get(), &original_), "set_mode");
  install();
  slot_ = claim_slot(fd_.get(), original_);
}

TerminalRestore::~TerminalRestore() {
  if (slot_ >= 0) {
    changes.terminals[static_cast<std::size_t>(slot_)].state.store(TerminalSlot::kFree);
  }
  put_back(fd_.get(), original_);
}

void restore_at_default_signals() noexcept {
  if (changes.process.load() == ::getpid()) handle_signals();
}

void restore_blocking_at_exit(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (fd < 0 || fd > 2 || flags < 0 || (flags & O_NONBLOCK) != 0) return;
  install();
  changes.blocks[static_cast<std::size_t>(fd)].store(true);
}

}  // namespace weft::detail
