#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/diagnostics_channel.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/channels");

std::string object(const char* key, int value) {
  return std::string("{\"") + key + "\":" + std::to_string(value) + "}";
}

TEST_CASE("a bound store is set around the subscribers and the function, and for what it starts") {
  reproduce("dc-bindstore", [](Life& life) {
    struct Message {
      int v;
    };
    const DiagnosticsChannel<Message> channel("c");
    const auto inside = [&life](const char* x) {
      life.cb("in-runStores");
      set_timeout(1ms, [&life] { life.cb("timer"); });
      return std::string(x);
    };
    const auto run = [&](auto fn, int v, auto... args) {
      return life.als.run("OUTER", [&] { return channel.run_stores(Message{v}, fn, args...); });
    };
    const auto unbind = [&] { return channel.unbind_store(life.als) ? "true" : "false"; };
    const auto subscriber = [&life](Message& message, std::string_view name) {
      life.cb("subscriber " + std::string(name) + " " + object("v", message.v));
    };
    life.run([&] {
      channel.bind_store(life.als, [](Message& message) { return object("wrapped", message.v); });
      const SubscriptionId id = channel.subscribe(subscriber);
      life.cb("after r=" + run(inside, 1, "ret"));
      const std::string first = unbind();
      life.cb("unbind " + first + " " + unbind());
      run([&] { life.cb("after-unbind"); }, 2);
      channel.unsubscribe(id);
    });
  });
}

struct Operation {
  int n;
  std::exception_ptr error = {};
  std::string result = {};
};

using Tracing = TracingChannel<Operation>;

TracingSubscription subscribe_all(Life& life, const Tracing& tracing) {
  const auto say = [&life](const char* event) {
    return [&life, event](Operation& operation) {
      const std::string result = operation.result.empty() ? "" : " res=" + operation.result;
      life.cb(event + std::string(operation.error ? " err" : "") + result);
    };
  };
  return tracing.subscribe({.start = say("start"),
                            .end = say("end"),
                            .async_start = say("asyncStart"),
                            .async_end = say("asyncEnd"),
                            .error = say("error")});
}

void trace_calls(Life& life, const Tracing& tracing) {
  const auto returns = [&life](const char* x) {
    life.cb("fn");
    return std::string(x);
  };
  const auto throws = [] { throw std::runtime_error("e"); };
  const auto starts_timer = [&life](std::function<void(std::string)> callback) {
    life.cb("fn");
    set_timeout(1ms, [callback = std::move(callback)] { callback("r"); });
  };
  life.mark("traceSync");
  tracing.trace_sync(returns, Operation{1}, "5");
  life.mark("traceSync-throw");
  CHECK_THROWS_AS(tracing.trace_sync(throws, Operation{2}), std::runtime_error);
  life.cb("caught");
  life.mark("traceCallback");
  tracing.trace_callback(starts_timer, Operation{3},
                         [&life](const std::string&) { life.cb("user-callback"); });
}

void trace_wait(Life& life, const Tracing& tracing) {
  const auto waits = [&life] {
    life.cb("fn");
    yield();
    return std::string("7");
  };
  life.mark("tracePromise");
  life.als.run("OUT", [&] {
    spawn([&life, &tracing, waits] {
      tracing.trace_sync(waits, Operation{4});
      life.cb("then");
    });
  });
}

TEST_CASE("a traced call tells its course, and sets the stores of its start and its callback") {
  reproduce("dc-tracing", [](Life& life) {
    const Tracing tracing("op");
    const auto named = [](const char* prefix) {
      return [prefix](Operation& operation) { return prefix + std::to_string(operation.n); };
    };
    const TracingSubscription subscription = subscribe_all(life, tracing);
    tracing.start().bind_store(life.als, named("S:"));
    tracing.async_start().bind_store(life.als, named("AS:"));
    life.run([&] {
      trace_calls(life, tracing);
      set_timeout(20ms, [&] { trace_wait(life, tracing); });
    });
    tracing.start().unbind_store(life.als);
    tracing.async_start().unbind_store(life.als);
    tracing.unsubscribe(subscription);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
