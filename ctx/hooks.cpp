#include <utility>

#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>

namespace weft {

AsyncHook create_hook(HookCallbacks callbacks) {
  return AsyncHook(std::move(callbacks));
}

AsyncHook::AsyncHook(HookCallbacks callbacks)
    : callbacks_(std::make_shared<HookCallbacks>(std::move(callbacks))) {}

AsyncHook& AsyncHook::operator=(AsyncHook&& other) noexcept {
  if (this != &other) {
    if (callbacks_ != nullptr) disable();
    callbacks_ = std::move(other.callbacks_);
  }
  return *this;
}

AsyncHook::~AsyncHook() {
  if (callbacks_ != nullptr) disable();
}

AsyncHook& AsyncHook::enable() {
  if (callbacks_ == nullptr) throw UsageError("enable: this hook was moved from");
  detail::HookTable::of_this_thread().enable(callbacks_);
  return *this;
}

AsyncHook& AsyncHook::disable() {
  // Null: nothing was enabled on this thread, or a static hook dies after the thread's table.
  if (detail::HookTable* const table = detail::thread_state.hooks) table->disable(callbacks_);
  return *this;
}

}  // namespace weft
