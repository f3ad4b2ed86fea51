#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/home.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/error.h>
#include <weft/ctx/resource_type.h>
#include <weft/ctx/snapshot.h>

namespace weft {
namespace detail {
namespace {

// Loops count up from 0, threads that make ids without a loop count down from the top.
constexpr const char* kElsewhere =
    ": it belongs to another thread's loop, or to another thread; use Loop::post to get there";

constinit std::atomic<std::uint64_t> loops_started = 0;
constinit std::atomic<std::uint64_t> threads_started = 0;

// The number of the thread that draws from each source; 0: nobody does any more. Numbers
// of sources repeat after as many.
constinit std::atomic<std::uint32_t> owners[std::size_t{1} << (64 - kLoopNumberShift)] = {};
constinit std::atomic<std::uint32_t> threads_numbered = 0;

std::uint32_t thread_number() noexcept {
  if (thread_state.number == 0) thread_state.number = threads_numbered.fetch_add(1) + 1;
  return thread_state.number;
}

std::atomic<std::uint32_t>& owner_of(AsyncId id) noexcept {
  return owners[id >> kLoopNumberShift];
}

}  // namespace

// Relaxed: who is handed an object rightly has synchronized with who made it.
bool is_own_source(AsyncId source) noexcept {
  const std::uint32_t owner = owners[source].load(std::memory_order_relaxed);
  return owner == 0 || owner == thread_number();
}

void raise_elsewhere(const char* what) {
  throw UsageError(std::string(what) + kElsewhere);
}

void die_elsewhere(const char* what) noexcept {
  std::fprintf(stderr, "weft: %s%s\n", what, kElsewhere);
  std::abort();
}

constinit thread_local ThreadState thread_state;

Execution& make_thread_execution() {
  // The thread's own stack of execution. enter_with outside of every callback
  // leaves a frame here, which dies with the thread.
  struct Owner {
    Execution execution;
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() {
      // Values die with the last frame, and their destructors may look around or set locals.
      while (execution.frame != nullptr) {
        const FrameRef last = FrameRef::adopt(std::exchange(execution.frame, nullptr));
      }
      thread_state.execution = nullptr;
      free_kept_blocks();
    }
  };
  thread_local Owner owner;
  thread_state.execution = &owner.execution;
  thread_state.keeps_blocks = true;
  return owner.execution;
}

IdSource::IdSource() : outer_(thread_state.last_async_id) {
  thread_state.last_async_id = loops_started.fetch_add(1) << kLoopNumberShift;
  owner_of(thread_state.last_async_id) = thread_number();
}
IdSource::~IdSource() {
  owner_of(thread_state.last_async_id) = 0;
  thread_state.last_async_id = outer_;
}

AsyncId start_thread_ids() {
  // Until the thread ends.
  struct Source {
    const AsyncId first = ~threads_started.fetch_add(1) << kLoopNumberShift;
    Source() noexcept { owner_of(first) = thread_number(); }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    ~Source() { owner_of(first) = 0; }
  };
  thread_local const Source source;
  return source.first;
}

}  // namespace detail

std::size_t live_frames() noexcept {
  return static_cast<std::size_t>(std::max<std::int64_t>(detail::thread_state.live_frames, 0));
}

AsyncId execution_async_id() noexcept {
  return detail::running_async_id();
}
AsyncId trigger_async_id() noexcept {
  const detail::Execution* const execution = detail::thread_state.execution;
  return execution == nullptr ? 0 : execution->trigger_async_id;
}
AsyncResource* execution_async_resource() noexcept {
  const detail::Execution* const execution = detail::thread_state.execution;
  return execution == nullptr ? nullptr : execution->resource;
}

ResourceType ResourceType::intern(std::string_view name) {
  if (name.empty()) throw UsageError("ResourceType::intern: a resource type needs a name");
  static std::mutex mutex;
  static auto* const names = new std::unordered_set<std::string>;  // types outlive statics
  const std::scoped_lock lock(mutex);
  return {names->emplace(name).first->c_str(), Interned{}};
}

std::span<const std::string_view> resource_types() noexcept {
  static constexpr std::string_view kTypes[] = {
      "FIBER",
      "Timeout",
      "Immediate",
      "TickObject",
      "Microtask",
      "PROMISE",
      "TCPSERVERWRAP",
      "TCPWRAP",
      "TCPCONNECTWRAP",
      "PIPESERVERWRAP",
      "PIPEWRAP",
      "PIPECONNECTWRAP",
      "TTYWRAP",
      "WRITEWRAP",
      "SHUTDOWNWRAP",
      "UDPWRAP",
      "UDPSENDWRAP",
      "GETADDRINFOREQWRAP",
      "GETNAMEINFOREQWRAP",
      "FSREQCALLBACK",
      "DIRHANDLE",
      "FILEHANDLE",
      "FSEVENTWRAP",
      "STATWATCHER",
      "PROCESSWRAP",
      "SIGNALWRAP",
      "bound-anonymous-fn",
      "POST",
      "OFFLOAD",
  };
  return kTypes;
}

}  // namespace weft
