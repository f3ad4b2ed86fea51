#include <memory>
#include <utility>

#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/ticks.h>

namespace weft {

void next_tick(UniqueFunction<void()> callback) {
  detail::EventLoop& loop = detail::EventLoop::current("next_tick");
  detail::require_callback(callback, "next_tick");
  loop.add_tick(std::make_unique<detail::Tick>(std::move(callback), AsyncResourceOptions{}));
}

void queue_microtask(UniqueFunction<void()> callback) {
  detail::EventLoop& loop = detail::EventLoop::current("queue_microtask");
  detail::require_callback(callback, "queue_microtask");
  loop.add_job(*new detail::Microtask(std::move(callback)));
}

}  // namespace weft
