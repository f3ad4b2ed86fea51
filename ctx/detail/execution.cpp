#include <atomic>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/ctx/error.h>
#include <weft/ctx/resource_type.h>

namespace weft {
namespace detail {
namespace {

// Loops count up from 0, threads that make ids without a loop count down from the top.
constinit std::atomic<std::uint64_t> loops_started = 0;
constinit std::atomic<std::uint64_t> threads_started = 0;

}  // namespace

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
}
IdSource::~IdSource() {
  thread_state.last_async_id = outer_;
}

AsyncId start_thread_ids() {
  return ~threads_started.fetch_add(1) << kLoopNumberShift;
}

}  // namespace detail

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
