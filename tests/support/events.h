// Events: the five events of a resource's life as values, so that what holds for each
// is written once.
//
//   for (const Event event : kEvents) {
//     auto hook = hook_at(event, [&] { ++calls; });
//   }
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <weft/ctx/async_id.h>
#include <weft/ctx/hooks.h>

namespace weft::test {

enum class Event { kInit, kBefore, kAfter, kDestroy, kResolve };

constexpr Event kEvents[] = {Event::kInit, Event::kBefore, Event::kAfter, Event::kDestroy,
                             Event::kResolve};

inline std::string name(Event event) {
  constexpr const char* kNames[] = {"init", "before", "after", "destroy", "promise_resolve"};
  return kNames[static_cast<int>(event)];
}

// A hook that calls `action` at one event.
template <typename F>
AsyncHook hook_at(Event event, F action) {
  HookCallbacks callbacks;
  const auto call = [action](AsyncId) mutable { action(); };
  switch (event) {
    case Event::kInit:
      callbacks.init = [action](AsyncId, std::string_view, AsyncId, AsyncResource&) mutable {
        action();
      };
      break;
    case Event::kBefore:
      callbacks.before = call;
      break;
    case Event::kAfter:
      callbacks.after = call;
      break;
    case Event::kDestroy:
      callbacks.destroy = call;
      break;
    case Event::kResolve:
      callbacks.promise_resolve = call;
      break;
  }
  return create_hook(std::move(callbacks));
}

}  // namespace weft::test
