#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/event_emitter.h>
#include <weft/ctx/snapshot.h>
#include <weft/runtime/await.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/events");

struct X : EventType<> {};
struct NoListeners : EventType<> {};

TEST_CASE("a listener sees the store of the emit, a bound one that of its binding") {
  reproduce("als-emitter", [](Life& life) {
    std::optional<EventEmitter<X>> emitter;
    const auto listen = [&] {
      emitter->on<X>([&] { life.cb("plain"); });
      emitter->on<X>(bind([&] { life.cb("bound"); }));
      emitter->once<X>([&] { life.cb("once"); });
    };
    life.run([&] {
      life.als.run("CREATE", [&] { emitter.emplace(); });
      life.als.run("LISTEN", listen);
      life.als.run("EMIT", [&] { emitter->emit<X>(); });
      emitter->emit<X>();
    });
  });
}

TEST_CASE("an emitter that is a resource calls its listeners in the store of its making") {
  reproduce("als-eear", [](Life& life) {
    std::optional<EventEmitterAsyncResource<X, NoListeners>> emitter;
    const auto emit = [&] {
      emitter->emit<X>();
      emitter->emit<NoListeners>();
    };
    life.run([&] {
      life.als.run("CREATE", [&] { emitter.emplace("MyEE"); });
      life.als.run("LISTEN", [&] { emitter->on<X>([&] { life.cb("listener"); }); });
      life.als.run("EMIT", emit);
      emitter->emit_destroy();
    });
  });
}

TEST_CASE("a fiber that waits for an event goes on in its own store") {
  reproduce("events-once-async-iter", [](Life& life) {
    EventEmitter<X> emitter;
    const auto once = [&emitter](Callback<void> done) {
      emitter.once<X>([done = std::move(done)]() mutable { done({}); });
    };
    const auto wait = [&life, once] {
      await<void>(once);
      life.cb("after-once");
    };
    life.run([&] {
      life.als.run("WAIT", [&] { spawn(wait); });
      life.als.run("EMIT", [&] { set_timeout(1ms, [&] { emitter.emit<X>(); }); });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
