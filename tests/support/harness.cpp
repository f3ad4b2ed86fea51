#include <array>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/sanitizer.h>
#include <weft/tests/support/harness.h>

namespace weft::test {
namespace {

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

bool looks_for_leaks = true;

// Nothing of the parent may be written twice: what stands in its stdout buffer goes nowhere, and
// _exit runs no destructor.
[[noreturn]] void run_as_child(UniqueFunction<void()> body, int errors) {
  ::dup2(errors, STDERR_FILENO);
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
  try {
    body();
  } catch (...) {
    std::fprintf(stderr, "thrown: %s\n", detail::describe_current_exception().c_str());
    ::_exit(2);
  }
  ::_exit(0);
}

}  // namespace

bool ChildResult::crashed() const {
  if (signal == SIGSEGV || signal == SIGBUS) return true;
  // A sanitizer reports the fault, then exits or aborts, as its options say.
  return kSanitized && (status > 0 || signal == SIGABRT);
}

ChildResult run_in_child(UniqueFunction<void()> body) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) run_as_child(std::move(body), ends[1]);
  ::close(ends[1]);

  ChildResult result;
  std::array<char, 4096> part;
  for (ssize_t bytes = 0; (bytes = ::read(ends[0], part.data(), part.size())) > 0;) {
    result.errors.append(part.data(), static_cast<std::size_t>(bytes));
  }
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

void exit_without_leak_check() {
  looks_for_leaks = false;
}

}  // namespace weft::test

// Asked by a sanitizer when the process exits.
extern "C" int __lsan_is_turned_off();  // NOLINT
extern "C" int __lsan_is_turned_off() {
  return weft::test::looks_for_leaks ? 0 : 1;
}
