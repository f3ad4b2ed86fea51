// trace_promise: TracingChannel for what returns a Future.
//
//   Future<Rows> rows = trace_promise(queries, [&] { return driver.query(sql); }, Query{sql});
//
// As TracingChannel::trace_sync while the function runs: start with its stores, the
// function, end. When its future settles: error if it was rejected, then asyncStart
// with its stores and, inside them, asyncEnd; all before the reactions to the future
// that is returned, which settles alike.
// Source: Node `tracingChannel.tracePromise`.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/ctx/detail/trace_outcome.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/runtime/promise.h>

namespace weft {

namespace detail {

template <typename Context>
struct TracedPromise {
  TracingChannel<Context> channel;
  Context context;

  void settled() {
    const auto stores = channel.async_start().store_scope(context);
    channel.async_end().publish(context);
  }
  [[noreturn]] void failed(const std::exception_ptr& error) {
    note_error(context, error);
    channel.error().publish(context);
    settled();
    std::rethrow_exception(error);
  }
};

template <typename T, typename Context>
Future<T> watch(const Future<T>& future, const std::shared_ptr<TracedPromise<Context>>& call) {
  const auto on_error = [call](const std::exception_ptr& error) -> T { call->failed(error); };
  if constexpr (std::is_void_v<T>) {
    return future.then([call] { call->settled(); }, on_error);
  } else {
    return future.then(
        [call](T value) {
          note_result(call->context, value);
          call->settled();
          return value;
        },
        on_error);
  }
}

}  // namespace detail

// Calls `fn` with `args` and traces the future it returns. Without a subscriber on this
// thread it only calls.
//
// Context: loop thread
// Errors:  what `fn` throws passes through, behind error and end.
template <typename Context, typename F, typename... Args>
std::decay_t<std::invoke_result_t<F, Args...>> trace_promise(const TracingChannel<Context>& channel,
                                                             F&& fn, Context context,
                                                             Args&&... args) {
  if (!channel.has_subscribers()) {
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
  }
  using Call = detail::TracedPromise<Context>;
  const auto call = std::make_shared<Call>(Call{channel, std::move(context)});
  const auto stores = channel.start().store_scope(call->context);
  struct End {
    Call& call;
    ~End() { call.channel.end().publish(call.context); }
  } const end{*call};
  try {
    return detail::watch(std::invoke(std::forward<F>(fn), std::forward<Args>(args)...), call);
  } catch (...) {
    detail::note_error(call->context, std::current_exception());
    channel.error().publish(call->context);
    throw;
  }
}

}  // namespace weft
