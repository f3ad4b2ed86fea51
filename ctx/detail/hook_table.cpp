#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/hook_table.h>

namespace weft::detail {
namespace {

std::uint32_t mask_of(const HookTable::Hooks& hooks) {
  std::uint32_t mask = 0;
  for (const auto& hook : hooks) {
    if (hook->init) mask |= kInitBit;
    if (hook->before) mask |= kBeforeBit;
    if (hook->after) mask |= kAfterBit;
    if (hook->destroy) mask |= kDestroyBit;
    if (hook->promise_resolve) mask |= kPromiseResolveBit;
  }
  return mask;
}

}  // namespace

HookTable& HookTable::of_this_thread() {
  // The table outlives the thread's fibers and loops, not the thread.
  struct Owner {
    HookTable table;
    Owner() { thread_state.hooks = &table; }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() {
      thread_state.hooks = nullptr;
      thread_state.hook_mask = 0;
    }
  };
  thread_local Owner owner;
  return owner.table;
}

void HookTable::enable(const std::shared_ptr<HookCallbacks>& hook) {
  Hooks& hooks = editable();
  if (std::find(hooks.begin(), hooks.end(), hook) == hooks.end()) hooks.push_back(hook);
  if (thread_state.hooks_running == 0) commit(std::move(*std::exchange(next_, std::nullopt)));
}

void HookTable::disable(const std::shared_ptr<HookCallbacks>& hook) {
  if (thread_state.hooks_running != 0) {
    std::erase(editable(), hook);
    return;
  }
  // In place, without memory: a hook's destructor has nobody to tell. The caller holds the hook.
  std::erase(active_, hook);
  commit(std::move(active_));
}

HookTable::Hooks& HookTable::editable() {
  if (!next_) next_ = active_;
  return *next_;
}

void HookTable::commit(Hooks hooks) {
  active_ = std::move(hooks);
  thread_state.hook_mask = mask_of(active_);
  if (thread_state.hooks_changed != nullptr) thread_state.hooks_changed();
}

template <typename Call>
void HookTable::emit_to_all(Call&& call) {
  ++thread_state.hooks_running;
  for (const auto& hook : active_) {
    try {
      call(*hook);
    } catch (...) {
      failed(hook);
    }
  }
  if (--thread_state.hooks_running == 0 && next_) {
    commit(std::move(*std::exchange(next_, std::nullopt)));
  }
}

void HookTable::failed(const std::shared_ptr<HookCallbacks>& hook) {
  const std::string what = describe_current_exception();
  if (errors_ == HookErrors::kDisable) {
    std::fprintf(stderr, "weft: a hook failed and is disabled: %s\n", what.c_str());
    std::erase(editable(), hook);
    return;
  }
  std::fprintf(stderr, "Error: %s\n    thrown by an async hook; the process ends with status 1\n",
               what.c_str());
  // No destructors: the process is in the middle of an event of arbitrary code.
  std::fflush(nullptr);
  std::_Exit(1);
}

void HookTable::emit_init(AsyncResource& resource) {
  emit_to_all([&](HookCallbacks& hook) {
    if (hook.init) {
      hook.init(resource.async_id(), resource.type(), resource.trigger_async_id(), resource);
    }
  });
}

void HookTable::emit(UniqueFunction<void(AsyncId)> HookCallbacks::*event, AsyncId id) {
  emit_to_all([&](HookCallbacks& hook) {
    if (hook.*event) (hook.*event)(id);
  });
}

void HookTable::drain_destroys() {
  // Outside of every resource and in the empty frame, as Node's native immediate.
  Execution nowhere;
  Execution* const outer = std::exchange(thread_state.execution, &nowhere);
  std::vector<AsyncId> batch;
  while (!destroys_.empty()) {
    batch.swap(destroys_);
    for (const AsyncId id : batch) {
      if (thread_state.hook_mask & kDestroyBit) emit(&HookCallbacks::destroy, id);
    }
    batch.clear();
  }
  thread_state.execution = outer;
  FrameRef::adopt(nowhere.frame);  // a hook may have called enter_with
}

void tell_init(AsyncResource& resource) {
  thread_state.hooks->emit_init(resource);
}
void tell_before(AsyncId id) {
  thread_state.hooks->emit(&HookCallbacks::before, id);
}
void tell_after(AsyncId id) {
  thread_state.hooks->emit(&HookCallbacks::after, id);
}
void tell_promise_resolve(AsyncId id) {
  thread_state.hooks->emit(&HookCallbacks::promise_resolve, id);
}
// In destructors: without memory to keep it, the event is lost and not the process.
void tell_destroy(AsyncId id) {
  try {
    thread_state.hooks->queue_destroy(id);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace weft::detail
