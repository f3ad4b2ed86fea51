#include <atomic>

#include <weft/ctx/detail/listener_list.h>

namespace weft::detail {

ListenerKey next_listener_key() noexcept {
  static constinit std::atomic<ListenerKey> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace weft::detail
