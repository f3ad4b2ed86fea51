// DiagnosticsChannel: a library tells what it does to whoever wants to know.
//
//   const DiagnosticsChannel<Query> queries("db.query");        // in the library
//   if (queries.has_subscribers()) queries.publish(Query{sql});
//
//   DiagnosticsChannel<Query>("db.query").subscribe([](Query& query) { log(query.sql); });
//
// A channel is its name. Names are the process's, subscribers and bound stores the
// thread's that added them, as hooks are: each loop watches itself, without a lock. So
// a channel may be a namespace-scope constant, like an AsyncLocal, and be used from
// every thread; subscribe in each loop that is to be watched. (Node: one registry for
// each Worker.) A name is forgotten when nobody holds or hears it.
//
// The first use of a name fixes the type of its messages. Subscribers get the
// publisher's own object and may change it; DiagnosticsChannel<const Query> forbids it.
// Where nobody listens publish is a branch; has_subscribers() saves making the message.
// Source: Node `diagnostics_channel`.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/channel_registry.h>
#include <weft/ctx/detail/fail_later.h>
#include <weft/ctx/detail/listener_list.h>

namespace weft {

// Names one subscription; never repeats in the process.
enum class SubscriptionId : detail::ListenerKey {};

namespace detail {

// One bound store that is set, and those set before it.
struct EnteredStore {
  std::unique_ptr<EnteredStore> outer;
  LocalScope scope;  // after `outer`: ends before it

  static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { free_block(block, bytes); }
};

template <typename Message>
struct Listening : ListeningChannel {
  using ListeningChannel::ListeningChannel;

  ListenerList<Message&, std::string_view> subscribers;
  ListenerList<Message&, std::unique_ptr<EnteredStore>&> stores;  // key: the local's address

  // Not inlined: publishers are everywhere, subscribers are few.
  [[gnu::noinline]] void publish(Message& message) noexcept {
    subscribers.call_each([&](auto& subscriber) { guarded(subscriber, message, name()); });
  }
  [[gnu::noinline]] void enter_stores(Message& message,
                                      std::unique_ptr<EnteredStore>& innermost) noexcept {
    stores.call_each([&](auto& enter) { guarded(enter, message, innermost); });
  }

 private:
  template <typename F, typename... Args>
  static void guarded(F& fn, Args&... args) noexcept {
    try {
      fn(args...);
    } catch (...) {
      fail_later(std::current_exception());
    }
  }
};

}  // namespace detail

template <typename Message>
class DiagnosticsChannel {
  static_assert(std::is_object_v<Message>, "a message is an object");

 public:
  using Subscriber = UniqueFunction<void(Message& message, std::string_view channel_name)>;
  class StoreScope;

  // Handles of the same name are equal and mean the same channel; copying one is cheap.
  // Errors: UsageError when the name is in use with another type of message.
  // Context: any thread.
  explicit DiagnosticsChannel(std::string_view name)
      : name_(detail::find_channel(name, typeid(Message*))) {}

  // Whether somebody on this thread listens or has bound a store.
  bool has_subscribers() const noexcept { return detail::listening(*name_) != nullptr; }

  // Calls this thread's subscribers with `message`, in the order they subscribed. The
  // rules of EventEmitter::emit hold for those who come and go meanwhile.
  // Errors: what a subscriber throws is not the publisher's: it goes to the uncaught
  //         handler when the running callback has ended; the next subscriber is called.
  void publish(Message& message) const noexcept {
    if (has_subscribers()) [[unlikely]]
      listening()->publish(message);
  }
  void publish(Message&& message) const noexcept { publish(message); }

  // Calls `subscriber` with every message published on this thread from now on, and
  // with the channel's name if it takes one. It does not wait: it runs inside publish.
  template <typename F>
  requires std::invocable<F&, Message&> || std::invocable<F&, Message&, std::string_view>
      SubscriptionId subscribe(F subscriber)
  const {
    using List = decltype(detail::Listening<Message>::subscribers);
    const detail::ListenerKey key = detail::next_listener_key();
    listen([&](auto& channel) {
      channel.subscribers.add(key, with_name(std::move(subscriber)), List::Place::kBack,
                              List::Calls::kMany);
    });
    return SubscriptionId{key};
  }

  // Returns whether the subscription was there, on this thread.
  bool unsubscribe(SubscriptionId id) const {
    return stop([&](auto& channel) {
      return channel.subscribers.remove(static_cast<detail::ListenerKey>(id));
    });
  }

  // Has run_stores set `local` to `transform(message)`; without a transform, to the
  // message. Binding a local again replaces its transform.
  // Shape: `local` must outlive the binding or the thread.
  // Errors: what `transform` throws goes the way of a subscriber's error; the store
  //         is left alone.
  template <typename T, typename F>
  requires std::convertible_to<std::invoke_result_t<F&, Message&>, T>
  void bind_store(const AsyncLocal<T>& local, F transform) const {
    listen([&](auto& channel) {
      channel.stores.put(key_of(local), [&local, transform = std::move(transform)](
                                            Message& message, auto& innermost) mutable {
        std::unique_ptr<detail::EnteredStore> entered(
            new detail::EnteredStore{nullptr, local.scope(std::invoke(transform, message))});
        entered->outer = std::move(innermost);
        innermost = std::move(entered);
      });
    });
  }
  template <typename T>
  requires std::convertible_to<Message&, T>
  void bind_store(const AsyncLocal<T>& local) const {
    bind_store(local, [](Message& message) -> T { return message; });
  }

  // Returns whether the store was bound, on this thread.
  template <typename T>
  bool unbind_store(const AsyncLocal<T>& local) const {
    return stop([&](auto& channel) { return channel.stores.remove(key_of(local)); });
  }

  // Sets the bound stores, publishes `message` inside them, calls `fn` with `args` there
  // and restores the stores. Returns what `fn` returns; what it throws passes through.
  // Order: stores in the order bound, subscribers, `fn`; restored in reverse.
  template <typename F, typename... Args>
  decltype(auto) run_stores(Message& message, F&& fn, Args&&... args) const {
    const StoreScope stores = store_scope(message);
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
  }
  template <typename F, typename... Args>
  decltype(auto) run_stores(Message&& message, F&& fn, Args&&... args) const {
    return run_stores(message, std::forward<F>(fn), std::forward<Args>(args)...);
  }

  // run_stores for the rest of a block: the stores are restored when the returned object
  // dies, on the same fiber or callback.
  // Source: Node `channel.withStoreScope(data)`.
  [[nodiscard]] StoreScope store_scope(Message& message) const { return {listening(), message}; }

  std::string_view name() const noexcept { return name_->name; }
  bool operator==(const DiagnosticsChannel&) const noexcept = default;

 private:
  using Listening = detail::Listening<Message>;

  // A reference: what a subscriber removes must live until publish has ended.
  detail::Ref<Listening> listening() const noexcept {
    return detail::Ref(static_cast<Listening*>(detail::listening(*name_)));
  }

  template <typename F>
  static auto with_name(F subscriber) {
    if constexpr (std::invocable<F&, Message&, std::string_view>) {
      return subscriber;
    } else {
      return [subscriber = std::move(subscriber)](Message& message, std::string_view) mutable {
        std::invoke(subscriber, message);
      };
    }
  }

  template <typename T>
  static detail::ListenerKey key_of(const AsyncLocal<T>& local) noexcept {
    return reinterpret_cast<std::uintptr_t>(&local);
  }

  template <typename Change>
  void listen(Change&& change) const {
    detail::Ref<Listening> channel = listening();
    const bool is_new = !channel;
    if (is_new) channel = detail::Ref(new Listening(name_));
    change(*channel);
    if (is_new)
      detail::begin_listening(*name_, detail::Ref<detail::ListeningChannel>(channel.get()));
  }

  template <typename Change>
  bool stop(Change&& change) const {
    const detail::Ref<Listening> channel = listening();
    if (!channel || !change(*channel)) return false;
    // What was removed may have ended the listening, or begun it anew, as it died.
    const bool is_last = channel->subscribers.size() + channel->stores.size() == 0;
    if (is_last && detail::listening(*name_) == channel.get()) detail::end_listening(*name_);
    return true;
  }

  std::shared_ptr<const detail::ChannelName> name_;  // with the other handles and listeners
};

// The bound stores of one store_scope(), which end with it.
template <typename Message>
class [[nodiscard]] DiagnosticsChannel<Message>::StoreScope {
 public:
  StoreScope(const StoreScope&) = delete;
  StoreScope& operator=(const StoreScope&) = delete;
  ~StoreScope() = default;

 private:
  friend class DiagnosticsChannel;

  StoreScope(const detail::Ref<Listening>& channel, Message& message) {
    if (!channel) [[likely]]
      return;
    channel->enter_stores(message, innermost_);
    channel->publish(message);
  }

  std::unique_ptr<detail::EnteredStore> innermost_;
};

}  // namespace weft
