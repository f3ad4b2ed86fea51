#include <utility>

#include <weft/ctx/detail/hook_table.h>
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
  detail::HookTable::of_this_thread().enable(callbacks_);
  return *this;
}

AsyncHook& AsyncHook::disable() {
  detail::HookTable::of_this_thread().disable(callbacks_);
  return *this;
}

}  // namespace weft
