#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/ctx/detail/channel_registry.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>

namespace weft::detail {
namespace {

// Locked when a handle is made from a name and when a name is forgotten, which may
// happen inside the former: its last other holder may have gone meanwhile.
struct ChannelRegistry {
  std::recursive_mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<const ChannelName>> names;
  std::vector<std::uint32_t> free_slots;
  std::uint32_t slots = 0;

  // Room for the slot's return is made here, so that forgetting cannot fail.
  std::uint32_t take_slot() {
    if (free_slots.empty()) {
      if (free_slots.capacity() <= slots) free_slots.reserve(2 * std::size_t{slots} + 16);
      return slots++;
    }
    const std::uint32_t slot = free_slots.back();
    free_slots.pop_back();
    return slot;
  }
};

// Never destroyed: channels with static storage may die after any static of ours.
ChannelRegistry& channel_registry() {
  static ChannelRegistry* const instance = new ChannelRegistry;
  return *instance;
}

void forget(const ChannelName* dead) noexcept {
  const std::unique_ptr<const ChannelName> owned(dead);
  ChannelRegistry& r = channel_registry();
  const std::scoped_lock lock(r.mutex);
  const auto at = r.names.find(dead->name);
  // Another thread may have made the name anew since the last reference to this one went.
  if (at != r.names.end() && at->second.expired()) r.names.erase(at);
  r.free_slots.push_back(dead->slot);
}

// "Query const" of a pointer to it.
std::string message_type(const std::type_info& pointer_to_message) {
  std::string name = type_name(&pointer_to_message);
  while (!name.empty() && (name.back() == '*' || name.back() == ' ')) name.pop_back();
  return name;
}

[[noreturn]] void raise_other_type(const ChannelName& known, const std::type_info& asked) {
  throw UsageError("diagnostics channel '" + known.name + "' carries " +
                   message_type(*known.pointer_to_message) + ", not " + message_type(asked) +
                   ": a name has one type of message; choose another name");
}

// The entries behind channel_table.
struct Table {
  std::vector<Ref<ListeningChannel>> channels;

  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { clear(); }

  // What dies here may ask who listens.
  void clear() noexcept {
    channel_table = {};
    const auto left = std::exchange(channels, {});
  }
  void show() noexcept { channel_table = {channels.data(), channels.size()}; }
};

Table& table_of_this_thread() {
  thread_local Table table;
  return table;
}

}  // namespace

constinit thread_local ChannelTable channel_table;

std::shared_ptr<const ChannelName> find_channel(std::string_view name,
                                                const std::type_info& pointer_to_message) {
  ChannelRegistry& r = channel_registry();
  const std::scoped_lock lock(r.mutex);
  std::weak_ptr<const ChannelName>& entry = r.names[std::string(name)];
  if (std::shared_ptr<const ChannelName> known = entry.lock()) {
    if (*known->pointer_to_message != pointer_to_message) {
      raise_other_type(*known, pointer_to_message);
    }
    return known;
  }
  std::shared_ptr<const ChannelName> made(
      new ChannelName{std::string(name), &pointer_to_message, r.take_slot()}, forget);
  entry = made;
  return made;
}

void begin_listening(const ChannelName& name, Ref<ListeningChannel> channel) {
  Table& table = table_of_this_thread();
  if (table.channels.size() <= name.slot) table.channels.resize(name.slot + std::size_t{1});
  table.channels[name.slot] = std::move(channel);
  table.show();
}

void end_listening(const ChannelName& name) noexcept {
  Table& table = table_of_this_thread();
  const Ref<ListeningChannel> last = std::move(table.channels[name.slot]);
  while (!table.channels.empty() && !table.channels.back()) table.channels.pop_back();
  table.show();
}

void end_all_listening() noexcept {
  table_of_this_thread().clear();
}

}  // namespace weft::detail
