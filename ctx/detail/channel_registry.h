// The channels of the process and, of each thread, who listens to them.
//
// Invariants:
//
// 1. A name means one ChannelName while anybody holds it: a handle, or a thread in
//    which somebody listens. Then it is forgotten, so that names made per request do
//    not pile up (Node's WeakRefMap). Its slot goes to a later name.
// 2. ChannelTable has an entry exactly for the channels with a subscriber or a bound
//    store on this thread. So a slot is free only when it is empty in every table,
//    and no entry answers for a later name.
// 3. The type of a message is checked when a handle is made, never when one is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>

#include <weft/ctx/detail/counted.h>

namespace weft::detail {

struct ChannelName {
  std::string name;
  const std::type_info* pointer_to_message;  // a pointer's type keeps const
  std::uint32_t slot;
};

// Who listens on one thread; DiagnosticsChannel derives the lists.
class ListeningChannel : public Counted {
 public:
  explicit ListeningChannel(std::shared_ptr<const ChannelName> name) : name_(std::move(name)) {}
  virtual ~ListeningChannel() = default;

  const std::string& name() const noexcept { return name_->name; }

 private:
  std::shared_ptr<const ChannelName> name_;  // with every handle of this name
};

// What of it publish() reads: `channels[slot]`, null or beyond the end for nobody.
struct ChannelTable {
  const Ref<ListeningChannel>* channels = nullptr;
  std::size_t size = 0;
};

#if defined(__GNUC__) && !defined(_WIN32)
__attribute__((tls_model("initial-exec")))
#endif
extern constinit thread_local ChannelTable channel_table;

// Errors: UsageError when the name is known with another type of message.
// Context: any thread.
std::shared_ptr<const ChannelName> find_channel(std::string_view name,
                                                const std::type_info& pointer_to_message);

inline ListeningChannel* listening(const ChannelName& name) noexcept {
  const ChannelTable& table = channel_table;
  return name.slot < table.size ? table.channels[name.slot].get() : nullptr;
}
void begin_listening(const ChannelName& name, Ref<ListeningChannel> channel);
void end_listening(const ChannelName& name) noexcept;
// For every channel of this thread: what the end of the thread does, for tests' fixtures.
void end_all_listening() noexcept;

}  // namespace weft::detail
