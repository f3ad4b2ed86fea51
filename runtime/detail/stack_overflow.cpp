// A fault inside the guard below the running fiber's stack is an overflow. So is one
// without an address where the stack pointer is so low that the kernel found no room for
// the frame of a signal (whose handler is not on the alternate stack). The handler says
// whose, then lets the fault happen again with the handler that was there before (a
// debugger's, a sanitizer's, or the default, which dumps core).
//
// Everything here runs in a signal handler: no allocation, no stdio.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/stack_overflow.h>

namespace weft::detail {
namespace {

#ifndef AT_MINSIGSTKSZ
constexpr unsigned long AT_MINSIGSTKSZ = 51;  // Linux
#endif

// What the kernel puts on a stack for a signal: with wide vector registers more than
// MINSIGSTKSZ says. 0 where the kernel does not tell.
std::size_t signal_frame_bytes() noexcept {
  static const std::size_t bytes =
      std::max<std::size_t>(::getauxval(AT_MINSIGSTKSZ), std::size_t{2} * 1024);
  return bytes;
}

// For handlers, and one that interrupts another.
std::size_t signal_stack_bytes() noexcept {
  return std::size_t{64} * 1024 + 2 * signal_frame_bytes();
}

// The stack of a pool's thread.
struct ThreadStack {
  const char* pool = nullptr;  // null: this thread is of none
  std::uintptr_t low = 0;
  std::size_t bytes = 0;
  std::size_t guard_bytes = 0;
};
constinit thread_local ThreadStack thread_stack __attribute__((tls_model("initial-exec")));

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

// What is known of a fault.
struct Fault {
  std::uintptr_t address;        // 0: it has none
  std::uintptr_t stack_pointer;  // 0: unknown
  bool has_address;              // what was accessed; else the kernel's own word
};

std::uintptr_t stack_pointer_of([[maybe_unused]] const void* context) noexcept {
#if defined(__x86_64__) && defined(__linux__)
  return static_cast<std::uintptr_t>(
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__) && defined(__linux__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.sp;
#else
  return 0;
#endif
}

// Whether a signal found no room on a stack that ends at `low`; x86-64's red zone counts.
bool had_no_room(const Fault& fault, std::uintptr_t low) noexcept {
  return !fault.has_address && fault.stack_pointer < low + signal_frame_bytes() + 256;
}

// Its id is the first of its loop.
bool is_main(const Fiber& fiber) noexcept {
  return (fiber.resource.async_id() & ((AsyncId{1} << kLoopNumberShift) - 1)) == 1;
}

void report(const Fiber& fiber, bool for_signal) noexcept {
  Line line;
  line << "weft: stack overflow in FIBER " << fiber.resource.async_id();
  if (!fiber.name.empty()) line << " '" << fiber.name.c_str() << "'";
  line << " (spawned at " << fiber.spawned_at.file << ":"
       << static_cast<std::uint64_t>(fiber.spawned_at.line) << "): its stack of "
       << fiber.stack.size() << " bytes "
       << (for_signal ? "has no room for the handler of a signal" : "is full")
       << "; give it more with "
       << (is_main(fiber) ? "RunOptions::main_stack_bytes" : "SpawnOptions::stack_bytes") << "\n";
  line.print();
}

enum class Verdict { kNotOurs, kComesAgain, kIsOver };  // once the handler returns

Verdict report_of_fiber(const EventLoop& loop, const Fault& fault) noexcept {
  const std::uintptr_t at = fault.has_address ? fault.address : fault.stack_pointer;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): what a register held
  const Fiber* const fiber = loop.find_by_stack(reinterpret_cast<const void*>(at));
  if (fiber == nullptr) return Verdict::kNotOurs;
  const auto low = reinterpret_cast<std::uintptr_t>(fiber->stack.low);
  const bool for_signal = had_no_room(fault, low);
  // A fault in the usable part has another cause.
  if (for_signal || (fault.has_address && at < low)) report(*fiber, for_signal);
  return for_signal ? Verdict::kIsOver : Verdict::kComesAgain;
}

Verdict report_of_thread(const ThreadStack& stack, const Fault& fault) noexcept {
  const bool for_signal = had_no_room(fault, stack.low) && fault.stack_pointer >= stack.low;
  const bool is_in_guard = fault.has_address && fault.address >= stack.low - stack.guard_bytes &&
                           fault.address < stack.low + stack.guard_bytes;
  if (!for_signal && !is_in_guard) return Verdict::kNotOurs;
  Line line;
  line << "weft: stack overflow in a function given to offload, on a thread of pool '" << stack.pool
       << "': its stack of " << stack.bytes
       << " bytes is full; it is as large as ulimit -s says when the program starts\n";
  line.print();
  return for_signal ? Verdict::kIsOver : Verdict::kComesAgain;
}

// A pool's thread may run a loop.
Verdict report_if_overflow(const Fault& fault) noexcept {
  Verdict verdict = Verdict::kNotOurs;
  const EventLoop* const loop = EventLoop::current_or_null();
  if (loop != nullptr) verdict = report_of_fiber(*loop, fault);
  if (verdict == Verdict::kNotOurs && thread_stack.pool != nullptr) {
    verdict = report_of_thread(thread_stack, fault);
  }
  return verdict;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const bool was_sent = info->si_code <= 0;
  const bool has_address = !was_sent && info->si_code != SI_KERNEL;
  const auto address = reinterpret_cast<std::uintptr_t>(has_address ? info->si_addr : nullptr);
  const Verdict verdict =
      was_sent ? Verdict::kIsOver
               : report_if_overflow({address, stack_pointer_of(context), has_address});
  // Returning runs the faulting instruction again, under the outer handler.
  ::sigaction(signal, signal == SIGSEGV ? &outer_segv : &outer_bus, nullptr);
  if (verdict == Verdict::kIsOver) ::raise(signal);
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

void install_handlers() noexcept {
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  install(SIGSEGV, outer_segv);
  install(SIGBUS, outer_bus);
}

// Null: the thread has one, or there is no memory for it.
void* add_signal_stack() noexcept {
  stack_t current;
  if (::sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) return nullptr;
  void* const memory = ::mmap(nullptr, signal_stack_bytes(), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  stack_t ours{};
  ours.ss_sp = memory;
  ours.ss_size = signal_stack_bytes();
  ::sigaltstack(&ours, nullptr);
  return memory;
}

ThreadStack stack_of_thread(const char* pool) noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  ThreadStack found{.pool = pool};
  void* low = nullptr;
  pthread_attr_getstack(&attributes, &low, &found.bytes);
  pthread_attr_getguardsize(&attributes, &found.guard_bytes);
  pthread_attr_destroy(&attributes);
  found.low = reinterpret_cast<std::uintptr_t>(low);
  return found;
}

}  // namespace

OverflowWatch::OverflowWatch() noexcept : signal_stack_(add_signal_stack()) {
  install_handlers();
}

OverflowWatch::OverflowWatch(const char* pool) noexcept
    : signal_stack_(add_signal_stack()), is_pools_(true) {
  install_handlers();
  thread_stack = stack_of_thread(pool);
}

OverflowWatch::~OverflowWatch() {
  if (is_pools_) thread_stack = {};
  if (signal_stack_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
  ::munmap(signal_stack_, signal_stack_bytes());
}

}  // namespace weft::detail
