// TracingChannel: five channels that tell the course of one operation.
//
//   struct Fetch { std::string url; std::exception_ptr error = {}; int result = 0; };
//   const TracingChannel<Fetch> fetches("http.fetch");
//   fetches.subscribe({.start = [](Fetch& f) { f.span = begin(f.url); },
//                      .end = [](Fetch& f) { finish(f.span, f.error); }});
//   const int status = fetches.trace_sync([&] { return fetch(url); }, Fetch{url});
//
// One Context object goes through all events of an operation; subscribers keep what is
// theirs in it. If it has a member `error` (a std::exception_ptr) or `result`, these are
// set as soon as they are known, if they can take what came.
//
// Stores bound to start() are set around the traced function, those bound to
// async_start() around the callback. The channels are tracing:NAME:start, :end,
// :asyncStart, :asyncEnd and :error, so that names match what is known from Node.
//
// In a fiber trace_sync is the form to use: the function waits as it likes, stores and
// context stay, and end comes when it has returned. (In Node end comes at the first
// await, and asyncEnd takes its place; a fiber has no such seam.)
// Source: Node `diagnostics_channel.tracingChannel`.
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/ctx/detail/trace_outcome.h>
#include <weft/ctx/diagnostics_channel.h>
#include <weft/ctx/unique_function.h>

namespace weft {

// Members left empty do not subscribe.
template <typename Context>
struct TracingSubscribers {
  UniqueFunction<void(Context&)> start = {};
  UniqueFunction<void(Context&)> end = {};
  UniqueFunction<void(Context&)> async_start = {};
  UniqueFunction<void(Context&)> async_end = {};
  UniqueFunction<void(Context&)> error = {};
};

// One subscribe(); {} where there was no subscriber.
struct TracingSubscription {
  std::array<SubscriptionId, 5> ids = {};
};

template <typename Context>
class TracingChannel {
 public:
  using Channel = DiagnosticsChannel<Context>;

  // Errors: as DiagnosticsChannel, for each of the five.
  explicit TracingChannel(std::string_view name)
      : start_(part(name, "start")),
        end_(part(name, "end")),
        async_start_(part(name, "asyncStart")),
        async_end_(part(name, "asyncEnd")),
        error_(part(name, "error")) {}

  // The function begins.
  const Channel& start() const noexcept { return start_; }
  // It has returned or thrown.
  const Channel& end() const noexcept { return end_; }
  // The callback begins.
  const Channel& async_start() const noexcept { return async_start_; }
  // It has returned or thrown.
  const Channel& async_end() const noexcept { return async_end_; }
  // The function threw, or the callback was given an error.
  const Channel& error() const noexcept { return error_; }

  bool has_subscribers() const noexcept {
    return start_.has_subscribers() || end_.has_subscribers() || async_start_.has_subscribers() ||
           async_end_.has_subscribers() || error_.has_subscribers();
  }

  TracingSubscription subscribe(TracingSubscribers<Context> subscribers) const {
    const auto add = [](const Channel& channel, UniqueFunction<void(Context&)>& subscriber) {
      return subscriber ? channel.subscribe(std::move(subscriber)) : SubscriptionId{};
    };
    return {{add(start_, subscribers.start), add(end_, subscribers.end),
             add(async_start_, subscribers.async_start), add(async_end_, subscribers.async_end),
             add(error_, subscribers.error)}};
  }

  // Returns whether all of it was there, on this thread.
  bool unsubscribe(const TracingSubscription& subscription) const {
    const std::array<const Channel*, 5> channels{&start_, &end_, &async_start_, &async_end_,
                                                 &error_};
    bool all = true;
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const SubscriptionId id = subscription.ids[i];
      if (id != SubscriptionId{} && !channels[i]->unsubscribe(id)) all = false;
    }
    return all;
  }

  // Calls `fn` with `args` and returns what it returns. With a subscriber on this thread:
  // start with its stores; then, inside them, `fn`; error if it throws (Cancelled too); end
  // always. Who subscribes while `fn` runs hears of the next call.
  // Errors: what `fn` throws passes through.
  template <typename F, typename... Args>
  std::invoke_result_t<F, Args...> trace_sync(F&& fn, Context& context, Args&&... args) const {
    using R = std::invoke_result_t<F, Args...>;
    if (!has_subscribers()) return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
    return traced(context, [&]() -> R {
      if constexpr (std::is_void_v<R> || !std::is_move_constructible_v<R>) {
        return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
      } else {
        R result = std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
        detail::note_result(context, result);
        return std::forward<R>(result);
      }
    });
  }
  template <typename F, typename... Args>
  std::invoke_result_t<F, Args...> trace_sync(F&& fn, Context&& context, Args&&... args) const {
    return trace_sync(std::forward<F>(fn), context, std::forward<Args>(args)...);
  }

  // Calls `fn`, which starts an operation, with `args`, the last of which is its callback
  // (Node's position -1; for another place give a lambda). The call itself is traced as
  // by trace_sync, without a result. When the callback comes: error or result is taken
  // from its arguments (a Result<T>, or a std::error_code or std::exception_ptr first),
  // error is published if it is one, then asyncStart with its stores, inside them the
  // callback, then asyncEnd. `context` lives until then.
  //
  //   fetches.trace_callback([](auto done) { start_fetch(std::move(done)); }, Fetch{url}, on_done);
  template <typename F, typename... ArgsAndCallback>
  decltype(auto) trace_callback(F&& fn, Context context, ArgsAndCallback&&... args) const {
    static_assert(sizeof...(args) > 0, "the last argument is the callback");
    if (!has_subscribers())
      return std::invoke(std::forward<F>(fn), std::forward<ArgsAndCallback>(args)...);
    const auto call = std::make_shared<Call>(Call{*this, std::move(context)});
    return traced(call->context, [&]() -> decltype(auto) {
      return call_with_last_wrapped(call, std::forward<F>(fn),
                                    std::make_index_sequence<sizeof...(args) - 1>(),
                                    std::forward_as_tuple(std::forward<ArgsAndCallback>(args)...));
    });
  }

 private:
  // What a traced callback needs; shared by its copies and the call that made it.
  struct Call {
    TracingChannel channel;
    Context context;
  };

  struct PublishAtExit {
    const Channel& channel;
    Context& context;
    PublishAtExit(const Channel& its_channel, Context& its_context)
        : channel(its_channel), context(its_context) {}
    PublishAtExit(const PublishAtExit&) = delete;
    PublishAtExit& operator=(const PublishAtExit&) = delete;
    ~PublishAtExit() { channel.publish(context); }
  };

  template <typename F>
  struct TracedCallback {
    std::shared_ptr<Call> call;
    F callback;

    template <typename... Results>
    requires std::invocable<F&, Results...>
    decltype(auto) operator()(Results&&... results) {
      const std::shared_ptr<Call> held = call;  // the callback may destroy itself
      const TracingChannel& channel = held->channel;
      if (detail::note_outcome(held->context, results...)) channel.error_.publish(held->context);
      const auto stores = channel.async_start_.store_scope(held->context);
      const PublishAtExit async_end(channel.async_end_, held->context);
      return std::invoke(callback, std::forward<Results>(results)...);
    }
  };

  static Channel part(std::string_view name, std::string_view event) {
    return Channel(std::string("tracing:").append(name).append(":").append(event));
  }

  template <typename Run>
  decltype(auto) traced(Context& context, Run&& run) const {
    const auto stores = start_.store_scope(context);
    const PublishAtExit end(end_, context);
    try {
      return run();
    } catch (...) {
      detail::note_error(context, std::current_exception());
      error_.publish(context);
      throw;
    }
  }

  template <typename F, std::size_t... I, typename Tuple>
  static decltype(auto) call_with_last_wrapped(const std::shared_ptr<Call>& call, F&& fn,
                                               std::index_sequence<I...>, Tuple&& args) {
    using Callback = std::decay_t<std::tuple_element_t<sizeof...(I), std::decay_t<Tuple>>>;
    return std::invoke(
        std::forward<F>(fn), std::get<I>(std::forward<Tuple>(args))...,
        TracedCallback<Callback>{call, std::get<sizeof...(I)>(std::forward<Tuple>(args))});
  }

  Channel start_;
  Channel end_;
  Channel async_start_;
  Channel async_end_;
  Channel error_;
};

}  // namespace weft
