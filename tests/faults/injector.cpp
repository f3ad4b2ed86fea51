#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

#include <weft/tests/faults/injector.h>

namespace weft::test {
namespace {

constexpr unsigned kTurnsMax = 20'000;
constexpr int kWaitMaxMs = 20'000;
constexpr std::size_t kDescriptorsMax = 1024;

[[noreturn]] void abort_stuck(const char* why) {
  std::fprintf(stderr, "faults: %s\n", why);
  std::abort();
}

// Read by calls that come before main() and after it: constant at the start, never destroyed.
struct State {
  std::atomic<bool> is_on = false;
  std::atomic<bool> counts_all_threads = false;
  std::atomic<bool> has_failed = false;
  Fault fault = {};
  std::array<std::atomic<unsigned>, kCallCount> counts = {};
  std::atomic<unsigned> turns = 0;
  std::array<std::atomic<bool>, kDescriptorsMax> uv_own = {};
  OnStuck on_stuck = &abort_stuck;
};
constinit State state;
constinit thread_local bool is_thread_watched = false;
constinit thread_local int unwatched = 0;
constinit thread_local int uv_setups = 0;
constinit thread_local int uv_setups_succeeding = 0;

bool is_in_range(int fd) noexcept {
  return fd >= 0 && static_cast<std::size_t>(fd) < kDescriptorsMax;
}

}  // namespace

Injection::Injection(const Fault& fault, bool counts_all_threads) noexcept {
  state.fault = fault;
  state.has_failed = false;
  for (auto& count : state.counts) count = 0;
  state.turns = 0;
  state.counts_all_threads = counts_all_threads;
  is_thread_watched = true;
  state.is_on = true;
}

Injection::~Injection() {
  state.is_on = false;
  is_thread_watched = false;
}

bool Injection::has_failed() const noexcept {
  return state.has_failed;
}

CallCounts Injection::counts() const noexcept {
  CallCounts counts{};
  std::copy(state.counts.begin(), state.counts.end(), counts.begin());
  return counts;
}

void set_on_stuck(OnStuck on_stuck) noexcept {
  state.on_stuck = on_stuck;
}

bool is_watched() noexcept {
  return state.is_on && unwatched == 0 && (is_thread_watched || state.counts_all_threads);
}

int injected(std::size_t row) noexcept {
  if (!is_watched()) return 0;
  const unsigned nth = ++state.counts[row];
  const Fault& fault = state.fault;
  if (fault.row != row || fault.nth == 0) return 0;
  if (nth != fault.nth && !(fault.lasts && nth > fault.nth)) return 0;
  state.has_failed = true;
  return state.fault.error;
}

int begin_poll(int timeout_ms) noexcept {
  if (!is_watched()) return timeout_ms;
  if (++state.turns > kTurnsMax) state.on_stuck("the loop turns for ever");
  return timeout_ms < 0 ? kWaitMaxMs : std::min(timeout_ms, kWaitMaxMs);
}

void end_poll(int timeout_ms, int result) noexcept {
  const bool has_waited = timeout_ms < 0 || timeout_ms >= kWaitMaxMs;
  if (result == 0 && has_waited && is_watched()) state.on_stuck("the loop waits for nothing");
}

Unwatched::Unwatched() noexcept {
  ++unwatched;
}
Unwatched::~Unwatched() {
  --unwatched;
}

void forget_faults() noexcept {
  state.is_on = false;
}

UvSetup::UvSetup(Calls calls) noexcept : calls_(calls) {
  ++uv_setups;
  if (calls_ == Calls::kSucceed) ++uv_setups_succeeding;
}
UvSetup::~UvSetup() {
  --uv_setups;
  if (calls_ == Calls::kSucceed) --uv_setups_succeeding;
}
bool must_succeed() noexcept {
  return uv_setups_succeeding > 0;
}
void note_made(int fd) noexcept {
  if (is_in_range(fd)) state.uv_own[static_cast<std::size_t>(fd)] = uv_setups > 0;
}
void note_closed(int fd) noexcept {
  if (is_in_range(fd)) state.uv_own[static_cast<std::size_t>(fd)] = false;
}
bool is_uv_own(int fd) noexcept {
  return is_in_range(fd) && state.uv_own[static_cast<std::size_t>(fd)];
}

void* hidden_definition(const char* name) noexcept {
  char interceptor[64];
  std::snprintf(interceptor, sizeof interceptor, "__interceptor_%s", name);
  if (void* const found = ::dlsym(RTLD_DEFAULT, interceptor)) return found;
  return ::dlsym(RTLD_NEXT, name);
}

namespace {

std::string name_of_lookup_error(int error) {
  switch (error) {
    case EAI_AGAIN:
      return "EAI_AGAIN";
    case EAI_FAIL:
      return "EAI_FAIL";
    case EAI_MEMORY:
      return "EAI_MEMORY";
    case EAI_NONAME:
      return "EAI_NONAME";
    default:
      return "EAI " + std::to_string(error);
  }
}

}  // namespace

std::string name_of_error(std::size_t row, int error) {
  if (error == kShort) return "one byte";
  const std::string_view call = kCalls[row].name;
  if (call == "getaddrinfo") return name_of_lookup_error(error);
  if (call.starts_with("uv_")) return "UV_" + std::string(uv_err_name(error));
  return uv_err_name(-error);
}

std::string Fault::describe() const {
  return std::string(kCalls[row].name) + (lasts ? " from #" : " #") + std::to_string(nth) +
         (lasts ? " on: " : ": ") + name_of_error(row, error);
}

}  // namespace weft::test
