// Hands out the slots and keys of AsyncLocals. Locals are process-wide objects,
// so this is the one place in ctx/ with a lock; it is taken when a local is made
// or dies, never when one is read.
#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

#include <weft/ctx/detail/frame.h>

namespace weft::detail {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<std::uint32_t> free_slots;  // a min-heap: low slots first keep frames short
  std::uint32_t slots = 0;
  LocalKey last_key = 0;
};

// Never destroyed: locals with static storage may die after any static of ours.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

LocalId acquire_local() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  if (r.free_slots.empty()) {
    // Room for the slot's return, so that release_local cannot fail.
    if (r.free_slots.capacity() <= r.slots) r.free_slots.reserve(2 * r.slots + 16);
    return {r.slots++, ++r.last_key};
  }
  std::pop_heap(r.free_slots.begin(), r.free_slots.end(), std::greater<>());
  const std::uint32_t slot = r.free_slots.back();
  r.free_slots.pop_back();
  return {slot, ++r.last_key};
}

void release_local(LocalId local) noexcept {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  r.free_slots.push_back(local.slot);
  std::push_heap(r.free_slots.begin(), r.free_slots.end(), std::greater<>());
}

}  // namespace weft::detail
