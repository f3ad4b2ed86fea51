#include <algorithm>
#include <bitset>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weft/io/process.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/testing/fail_at.h>
#include <weft/tests/faults/outcome.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/harness.h>

namespace weft::test {
namespace {

constexpr std::size_t kMemory = row("operator new");
constexpr std::size_t kDescriptorsMax = 256;
constexpr unsigned kFailedMax = 50;  // of a sweep: what fails once may fail for ever

// What is being run, for who finds the process dead.
char running[256];

void tell_running(int signal) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, running, std::strlen(running));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

[[noreturn]] void die_stuck(const char* why) {
  std::fprintf(stderr, "faults: %s\n", why);
  std::abort();
}

using Descriptors = std::bitset<kDescriptorsMax>;

Descriptors open_descriptors() {
  Descriptors open;
  for (std::size_t fd = 0; fd < kDescriptorsMax; ++fd) {
    open[fd] = ::fcntl(static_cast<int>(fd), F_GETFD) >= 0;
  }
  return open;
}

std::string describe_leaked(const Descriptors& before, const Descriptors& after) {
  std::string text;
  for (std::size_t fd = 0; fd < kDescriptorsMax; ++fd) {
    if (before[fd] == after[fd]) continue;
    text += "  descriptor " + std::to_string(fd) + (after[fd] ? " was left open\n" : " is gone\n");
  }
  return text;
}

// Lets go of children that ended behind their loops, as any spawn does.
void reap_orphans() {
  testing::run_test([] {
    try {
      io::Process::spawn({.file = "none", .output = io::Stdio::fd(-1)});
    } catch (const std::system_error&) {  // before it forks
    }
  });
}

// Waits until the children of a run have ended: the loop, or the next spawn, reaps each.
std::string describe_zombies() {
  std::string text;
  for (siginfo_t child = {}; ::waitid(P_ALL, 0, &child, WEXITED | WNOWAIT) == 0;) {
    reap_orphans();
    if (::waitpid(child.si_pid, nullptr, WNOHANG) != -1) text += "  a child was not reaped\n";
  }
  return text;
}

// What the operations refer to is gone with the body.
struct EndsWithBody {
  Operations& operations;
  ~EndsWithBody() { operations.finish(); }
};

class Sweep {
 public:
  Sweep(const std::string& name, const Scenario& scenario, SweepOptions options)
      : name_(name), scenario_(scenario), options_(options) {}

  void run() {
    const CallCounts counts = count_calls();
    for (std::size_t row = 0; row < kCallCount; ++row) {
      for (const int error : kCalls[row].errors) {
        if (error != 0 && !is_left_out(row, error)) run_errors(row, error, counts[row]);
      }
    }
    for (unsigned nth = 1; failed_ < kFailedMax; ++nth) {
      if (run_fault({kMemory, ENOMEM, nth}) == Effect::kNotReached) break;
    }
    CHECK_MESSAGE(failures_.empty(), name_ << ":\n" << failures_);
  }

 private:
  // Not in the first run: it also makes what the process or the thread makes once.
  CallCounts count_calls() {
    run_once({}, nullptr);
    CallCounts counts{};
    const Outcome outcome = run_once({}, &counts);
    REQUIRE_MESSAGE(outcome.effect == Effect::kNotReached, outcome.complaints);
    return counts;
  }

  bool is_left_out(std::size_t row, int error) const {
    const std::error_code code = code_of({row, error});
    return std::ranges::any_of(options_.without, [&](std::errc one) { return code == one; });
  }

  void run_errors(std::size_t row, int error, unsigned calls) {
    static const bool takes_all = is_asked_for("all");
    for (unsigned nth = 1; nth <= calls; ++nth) {
      const bool is_chosen = nth <= 3 || nth == calls || nth % std::max(1U, calls / 8) == 0;
      if ((takes_all || is_chosen) && failed_ < kFailedMax) run_both({row, error, nth});
    }
  }

  // Once, and if it may last, from there on: then it must not become silent.
  void run_both(Fault fault) {
    const Effect once = run_fault(fault);
    if (!may_last(fault)) return;
    fault.lasts = true;
    const Effect lasting = run_fault(fault);
    const bool was_told = once == Effect::kDelivered || once == Effect::kIndirect;
    if (was_told && lasting == Effect::kAbsorbed) complain(fault, "  nobody was told of it\n");
  }

  Effect run_fault(const Fault& fault) {
    static const bool isolates = is_asked_for("isolated");
    const Outcome outcome = isolates ? run_isolated(fault) : run_once(fault, nullptr);
    if (outcome.effect != Effect::kNotReached) count(fault, outcome.effect);
    if (!outcome.complaints.empty()) complain(fault, outcome.complaints);
    return outcome.effect;
  }

  void complain(const Fault& fault, const std::string& what) {
    failures_ += fault.describe() + "\n" + what;
    ++failed_;
  }

  Outcome run_isolated(const Fault& fault) {
    constexpr int kFirst = 10;  // of the statuses that tell an effect
    const ChildResult child = run_in_child([&] {
      const Outcome outcome = run_once(fault, nullptr);
      std::fputs(outcome.complaints.c_str(), stderr);
      ::_exit(kFirst + static_cast<int>(outcome.effect));
    });
    const bool ended = child.status >= kFirst && child.status <= kFirst + 4;
    return {ended ? static_cast<Effect>(child.status - kFirst) : Effect::kWrong,
            ended && child.errors.find("  ") == child.errors.npos ? "" : child.errors};
  }

  Outcome run_once(const Fault& fault, CallCounts* counts) {
    std::snprintf(running, sizeof running, "faults: died in %s, %s\n", name_.c_str(),
                  fault.nth == 0 ? "no fault" : fault.describe().c_str());
    const Descriptors before = open_descriptors();
    std::vector<std::exception_ptr> errors;
    bool has_failed = false;
    std::string complaints;
    {
      Operations operations;
      run_injected(fault, operations, errors, has_failed, counts);
      errors.insert(errors.end(), operations.noted().begin(), operations.noted().end());
      complaints = operations.complaints();
    }
    Outcome outcome = judge(fault, errors);
    outcome.complaints += complaints;
    outcome.complaints += describe_zombies();
    outcome.complaints += describe_leaked(before, open_descriptors());
    if (!outcome.complaints.empty()) {
      outcome.effect = Effect::kWrong;
    } else if (!has_failed) {
      outcome.effect = Effect::kNotReached;
    }
    return outcome;
  }

  void run_injected(const Fault& fault, Operations& operations,
                    std::vector<std::exception_ptr>& errors, bool& has_failed, CallCounts* counts) {
    errors.reserve(16);
    testing::TestOptions options;
    options.real_clock = options_.real_clock;
    options.finds_leftovers = !options_.leaves_children;
    options.run.stop_on_interrupt = options_.stops_on_interrupt;
    options.run.on_uncaught = [&](std::exception_ptr error) {
      errors.push_back(std::move(error));
      detail::EventLoop::current("faults").stop(nullptr);
    };
    const Injection injection(fault, options_.counts_all_threads);
    const testing::FailAt memory(fault.row == kMemory ? fault.nth : 0);
    try {
      testing::run_test(
          [&] {
            const EndsWithBody end{operations};
            scenario_(operations);
          },
          std::move(options));
    } catch (...) {
      errors.push_back(std::current_exception());
    }
    has_failed = fault.row == kMemory ? memory.has_failed() : injection.has_failed();
    if (counts != nullptr) *counts = injection.counts();
  }

  const std::string& name_;
  const Scenario& scenario_;
  SweepOptions options_;
  std::string failures_;
  unsigned failed_ = 0;
};

}  // namespace

SweepOptions on_threads() {
  return {.counts_all_threads = true,
          .real_clock = true,
          .without = {std::errc::resource_unavailable_try_again}};
}

void for_each_fault(const std::string& name, const Scenario& scenario, SweepOptions options) {
  const auto outer = std::signal(SIGABRT, &tell_running);
  set_on_stuck(&die_stuck);
  Sweep(name, scenario, options).run();
  std::signal(SIGABRT, outer);
}

}  // namespace weft::test
