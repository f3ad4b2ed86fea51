#include <pthread.h>

#include <weft/runtime/detail/heard_signals.h>

namespace weft::detail {
namespace {

sigset_t only(int signal) noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);  // a number that is none leaves it empty; libuv refuses it
  return set;
}

}  // namespace

HeardSignals::~HeardSignals() {
  if (sigisemptyset(&opened_) == 0) pthread_sigmask(SIG_BLOCK, &opened_, nullptr);
}

// Whether it was before.
bool HeardSignals::block(int signal) noexcept {
  const sigset_t set = only(signal);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  return sigismember(&before, signal) == 1;
}

// libuv's handler stays as it is while any of its handles waits for the signal.
void HeardSignals::handle_on_alternate_stack(int signal) noexcept {
  struct sigaction current;
  if (::sigaction(signal, nullptr, &current) != 0 || (current.sa_flags & SA_ONSTACK) != 0) return;
  if (current.sa_handler == SIG_DFL || current.sa_handler == SIG_IGN) return;
  current.sa_flags |= SA_ONSTACK;
  ::sigaction(signal, &current, nullptr);
}

void HeardSignals::open(int signal, bool was_blocked) noexcept {
  if (was_blocked) sigaddset(&opened_, signal);
  const sigset_t set = only(signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace weft::detail
