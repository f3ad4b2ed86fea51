// Stores across timers, ticks, sockets and other stores.
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/ctx/snapshot.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/semantics/kinds.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Kind;
using test::kKinds;
using test::Mortal;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

using Bytes = std::span<const std::byte>;

// Context kept with hooks alone, as libraries did before there were stores: what is
// made inherits the value of what runs then, or of its trigger when nothing does.
class HookStore {
 public:
  HookStore()
      : hook_(
            create_hook({.init =
                             [this](AsyncId id, std::string_view, AsyncId trigger, AsyncResource&) {
                               values_[id] = of(running() == 0 ? trigger : running());
                             },
                         .destroy = [this](AsyncId id) { values_.erase(id); }})) {
    hook_.enable();
  }

  void set(std::string value) { values_[running()] = std::move(value); }
  std::string get() const { return of(running()); }
  bool is_empty() const noexcept { return values_.empty(); }

 private:
  static AsyncId running() {
    const AsyncResource* const resource = execution_async_resource();
    return resource == nullptr ? 0 : resource->async_id();
  }
  std::string of(AsyncId id) const {
    const auto found = values_.find(id);
    return found == values_.end() ? "none" : found->second;
  }

  std::map<AsyncId, std::string> values_;
  AsyncHook hook_;
};

TEST_SUITE_BEGIN("conformance/semantics/async_local");

TEST_CASE("enter_with in a callback reaches what the callback starts, and nothing else") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto note = [&](const char* what) {
    return [&, what] { trace.push_back(what + (": " + seen(who))); };
  };

  test::run([&] {
    set_immediate([&] {
      who.enter_with("entered");
      set_timeout(1ms, note("timer of the callback"));
      next_tick(note("tick of the callback"));
    });
    set_immediate(note("next immediate"));
    set_timeout(1ms, note("unrelated timer"));
  });

  CHECK(trace == Trace{"tick of the callback: entered", "next immediate: none",
                       "unrelated timer: none", "timer of the callback: entered"});
}

TEST_CASE("what starts after disable sees no store, until run sets one again") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto note_in_tick = [&] { next_tick([&] { trace.push_back(seen(who)); }); };

  test::run([&] {
    who.run("first", [&] {
      note_in_tick();
      who.disable();
      trace.push_back(seen(who));
      note_in_tick();
      who.run("second", note_in_tick);
      trace.push_back(seen(who));
    });
    note_in_tick();
  });

  CHECK(trace == Trace{"none", "none", "first", "none", "second", "none"});
}

TEST_CASE("stores of two locals in two timers do not mix, and exit of one keeps the other") {
  const AsyncLocal<std::string> a;
  const AsyncLocal<std::string> b;
  Trace trace;
  const auto note = [&] { trace.push_back(seen(a) + " " + seen(b)); };

  test::run([&] {
    a.run("a1", [&] { b.run("b1", [&] { set_timeout(1ms, note); }); });
    a.run("a2", [&] {
      b.run("b2", [&] {
        set_timeout(1ms, [&] {
          note();
          a.exit([&] {
            note();
            set_timeout(1ms, note);
          });
          note();
        });
      });
    });
  });

  CHECK(trace == Trace{"a1 b1", "a2 b2", "none b2", "a2 b2", "none b2"});
}

TEST_CASE("an immediate cleared in its own callback keeps its store there, and ends once") {
  const AsyncLocal<std::string> who;
  Trace trace;
  Immediate immediate;
  auto hook = create_hook({.destroy = [&](AsyncId id) {
    if (id == immediate.async_id()) trace.push_back("destroy");
  }});
  hook.enable();

  test::run([&] {
    immediate = who.run("store", [&] {
      return set_immediate([&] {
        immediate.clear();
        trace.push_back(seen(who));
      });
    });
  });

  CHECK(trace == Trace{"store", "destroy"});
}

TEST_CASE("a local may be dropped inside its own run, and its value dies with the context") {
  Trace trace;
  std::optional<AsyncLocal<Mortal>> local(std::in_place);

  test::run([&] {
    local->run(Mortal(trace, "value"), [&] {
      set_immediate([&] { trace.push_back("immediate"); });
      local->disable();
      local.reset();
      trace.push_back("dropped");
    });
    trace.push_back("run returned");
  });

  CHECK(trace == Trace{"dropped", "run returned", "immediate", "value dies"});
}

TEST_CASE("ten downloads at once each see their own store, in every piece") {
  constexpr std::size_t kSize = 256 * 1024;
  const AsyncLocal<std::string> who;
  std::map<std::string, std::size_t> received;  // by the store that was seen

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<TcpStream> clients;
    std::vector<TcpStream> servers;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(TcpStream::connect("127.0.0.1", listener.port()));
      servers.push_back(listener.accept());
      who.run("client " + std::to_string(i), [&] {
        clients.back().on_data([&](Bytes bytes) { received[seen(who)] += bytes.size(); });
      });
    }
    for (std::size_t i = 0; i < servers.size(); ++i) {
      servers[i].write(std::string(kSize + i, 'x'), [](Result<void>) {});
      servers[i].shutdown([](Result<void>) {});
    }
    for (auto& client : clients) client.wait_closed();
  });

  CHECK(received.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(received["client " + std::to_string(i)] == kSize + i);
}

TEST_CASE("hooks and the running resource suffice to carry a context into every callback") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    HookStore store;
    Trace trace;

    test::run([&] {
      store.set("main");
      kind.start([&] { trace.push_back(store.get()); });
      detached([&] { set_timeout(1ms, [&] { store.set("changed"); }); });
      sleep_for(2ms);
      trace.push_back(store.get());
    });

    CHECK(trace == Trace{"main", "main"});
    CHECK(store.is_empty());
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
