// A fault inside the guard below the running fiber's stack is an overflow. The
// handler says whose, then lets the fault happen again with the handler that was
// there before (a debugger's, a sanitizer's, or the default, which dumps core).
//
// Everything here runs in a signal handler: no allocation, no stdio.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <unistd.h>

#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/stack_overflow.h>

namespace weft::detail {
namespace {

constexpr std::size_t kSignalStackBytes = std::size_t{64} * 1024;

struct sigaction outer_segv;
struct sigaction outer_bus;

// Builds one message in place.
class Line {
 public:
  Line& operator<<(const char* text) {
    const std::size_t length = std::min(std::strlen(text), sizeof text_ - used_);
    std::memcpy(text_ + used_, text, length);
    used_ += length;
    return *this;
  }
  Line& operator<<(std::uint64_t number) {
    char digits[21];
    char* first = digits + sizeof digits - 1;
    *first = '\0';
    do {
      *--first = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return *this << first;
  }
  void print() const { [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text_, used_); }

 private:
  char text_[1024];
  std::size_t used_ = 0;
};

void report_if_overflow(const void* address) {
  const EventLoop* const loop = EventLoop::current_or_null();
  const Fiber* const found = loop == nullptr ? nullptr : loop->find_by_stack(address);
  if (found == nullptr) return;
  const Fiber& fiber = *found;
  const auto fault = reinterpret_cast<std::uintptr_t>(address);
  const auto low = reinterpret_cast<std::uintptr_t>(fiber.stack.low);
  if (fault >= low) return;  // a fault in the usable part has another cause
  Line line;
  line << "weft: stack overflow in FIBER " << fiber.resource.async_id();
  if (!fiber.name.empty()) line << " '" << fiber.name.c_str() << "'";
  line << " (spawned at " << fiber.spawned_at.file << ":"
       << static_cast<std::uint64_t>(fiber.spawned_at.line) << "): its stack of "
       << fiber.stack.size() << " bytes is full; give it more with SpawnOptions::stack_bytes\n";
  line.print();
}

void on_fault(int signal, siginfo_t* info, void* /*context*/) {
  report_if_overflow(info->si_addr);
  // Returning runs the faulting instruction again, under the outer handler.
  ::sigaction(signal, signal == SIGSEGV ? &outer_segv : &outer_bus, nullptr);
  if (info->si_code <= 0) ::raise(signal);  // sent, not caused: nothing faults again
}

// Puts our handler in front of whatever is installed; the program, or a test
// framework, may have replaced it since the last time.
void install(int signal, struct sigaction& outer) {
  struct sigaction current {};
  ::sigaction(signal, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == &on_fault) return;
  outer = current;
  struct sigaction ours {};
  ours.sa_sigaction = &on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(signal, &ours, nullptr);
}

}  // namespace

OverflowWatch::OverflowWatch() {
  static std::mutex mutex;
  {
    const std::scoped_lock lock(mutex);
    install(SIGSEGV, outer_segv);
    install(SIGBUS, outer_bus);
  }
  stack_t current;
  if (::sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) return;
  signal_stack_ = std::make_unique<std::byte[]>(kSignalStackBytes);
  stack_t ours{};
  ours.ss_sp = signal_stack_.get();
  ours.ss_size = kSignalStackBytes;
  ::sigaltstack(&ours, nullptr);
}

OverflowWatch::~OverflowWatch() {
  if (signal_stack_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace weft::detail
