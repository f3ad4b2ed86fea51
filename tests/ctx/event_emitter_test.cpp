#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/event_emitter.h>
#include <weft/ctx/snapshot.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::Mortal;
using test::seen;
using test::Trace;

struct Data : EventType<std::string> {};
struct Count : EventType<int&> {};
struct Close : EventType<> {};
struct Quit : EventType<> {};
struct Failure : ErrorEvent {};

// Emitters whose listeners write a word.
struct EmitterTest : ContextTest {
  auto say(std::string word) {
    return [this, word = std::move(word)] { trace.push_back(word); };
  }

  EventEmitter<Data, Count, Close, Quit, ErrorEvent> emitter;
  Trace trace;
};

TEST_SUITE_BEGIN("ctx/event_emitter");

TEST_CASE_FIXTURE(EmitterTest, "emit calls the listeners of its event in order") {
  emitter.on<Close>(say("first"));
  emitter.on<Close>(say("second"));
  emitter.prepend<Close>(say("front"));
  emitter.on<Quit>(say("other event"));

  CHECK(emitter.emit<Close>());
  trace.push_back("emitted");

  CHECK(trace == Trace{"front", "first", "second", "emitted"});
}

TEST_CASE_FIXTURE(EmitterTest, "emit says whether somebody listened") {
  CHECK_FALSE(emitter.emit<Close>());
  const ListenerId id = emitter.on<Close>(say("heard"));
  CHECK(emitter.emit<Close>());
  emitter.off(id);
  CHECK_FALSE(emitter.emit<Close>());
}

TEST_CASE_FIXTURE(EmitterTest, "listeners get values as they are and references to write to") {
  emitter.on<Data>([&](std::string_view text) { trace.emplace_back(text); });
  emitter.on<Data>([&](std::string copy) { trace.push_back(copy + "!"); });
  emitter.on<Count>([](int& n) { ++n; });
  emitter.on<Count>([](int& n) { n *= 2; });

  emitter.emit<Data>(std::string("text"));
  emitter.emit<Data>("converted");
  int number = 3;
  emitter.emit<Count>(number);

  CHECK(trace == Trace{"text", "text!", "converted", "converted!"});
  CHECK(number == 8);
}

TEST_CASE_FIXTURE(EmitterTest, "a value reaches a listener without a copy") {
  struct Owned : EventType<std::unique_ptr<int>> {};
  EventEmitter<Owned> owner;
  const std::unique_ptr<int>* seen_at = nullptr;
  owner.on<Owned>([&](const std::unique_ptr<int>& value) { seen_at = &value; });

  const auto value = std::make_unique<int>(1);
  owner.emit<Owned>(value);

  CHECK(seen_at == &value);
}

TEST_CASE_FIXTURE(EmitterTest, "a listener may own what only moves") {
  emitter.on<Close>(
      [this, word = std::make_unique<std::string>("owned")] { trace.push_back(*word); });

  emitter.emit<Close>();

  CHECK(trace == Trace{"owned"});
}

TEST_CASE_FIXTURE(EmitterTest, "once calls at the next emit only") {
  emitter.once<Close>(say("once"));
  emitter.on<Close>(say("always"));
  emitter.prepend_once<Close>(say("front once"));

  emitter.emit<Close>();
  emitter.emit<Close>();

  CHECK(trace == Trace{"front once", "once", "always", "always"});
}

TEST_CASE_FIXTURE(EmitterTest, "once is removed before it is called") {
  emitter.once<Close>([this] {
    trace.push_back(std::to_string(emitter.listener_count<Close>()));
    emitter.emit<Close>();
  });

  emitter.emit<Close>();

  CHECK(trace == Trace{"0"});
}

TEST_CASE_FIXTURE(EmitterTest, "once is called once when a listener before it emits again") {
  int depth = 0;
  emitter.on<Close>([this, &depth] {
    if (++depth == 1) emitter.emit<Close>();
  });
  emitter.once<Close>(say("once"));
  emitter.on<Close>(say("last"));

  emitter.emit<Close>();

  CHECK(trace == Trace{"once", "last", "last"});
}

TEST_CASE_FIXTURE(EmitterTest, "a listener added during emit is called from the next emit on") {
  Trace next;
  SUBCASE("at the end") {
    emitter.once<Close>([this] { emitter.on<Close>(say("added")); });
    next = {"there", "added"};
  }
  SUBCASE("at the front") {
    emitter.once<Close>([this] { emitter.prepend<Close>(say("added")); });
    next = {"added", "there"};
  }
  emitter.on<Close>(say("there"));

  emitter.emit<Close>();
  CHECK(std::exchange(trace, {}) == Trace{"there"});
  emitter.emit<Close>();

  CHECK(trace == next);
}

TEST_CASE_FIXTURE(EmitterTest, "a listener removed during emit is still called by that emit") {
  ListenerId second{};
  emitter.on<Close>([this, &second] { CHECK(emitter.off(second) == trace.empty()); });
  second = emitter.on<Close>(say("second"));
  emitter.on<Close>(say("third"));

  emitter.emit<Close>();
  emitter.emit<Close>();

  CHECK(trace == Trace{"second", "third", "third"});
}

TEST_CASE_FIXTURE(EmitterTest, "off removes one registration, once") {
  const ListenerId id = emitter.on<Close>(say("removed"));
  emitter.on<Close>(say("stays"));

  CHECK(emitter.off(id));
  CHECK_FALSE(emitter.off(id));
  emitter.emit<Close>();

  CHECK(trace == Trace{"stays"});
}

TEST_CASE_FIXTURE(EmitterTest, "the id of one emitter removes nothing in another") {
  EventEmitter<Close> other;
  const ListenerId id = other.on<Close>(say("other"));
  emitter.on<Close>(say("mine"));

  CHECK_FALSE(emitter.off(id));
  CHECK(emitter.listener_count<Close>() == 1);
}

TEST_CASE_FIXTURE(EmitterTest, "remove_all empties one event or all") {
  emitter.on<Close>(say("close"));
  emitter.on<Close>(say("close"));
  emitter.on<Quit>(say("quit"));

  SUBCASE("one") {
    emitter.remove_all<Close>();
    CHECK(emitter.listener_count<Quit>() == 1);
  }
  SUBCASE("all") {
    emitter.remove_all();
    CHECK(emitter.listener_count<Quit>() == 0);
  }

  CHECK(emitter.listener_count<Close>() == 0);
  CHECK_FALSE(emitter.emit<Close>());
}

TEST_CASE_FIXTURE(EmitterTest, "remove_all during emit lets that emit finish") {
  emitter.on<Close>([this] { emitter.remove_all(); });
  emitter.on<Close>(say("still called"));

  emitter.emit<Close>();
  emitter.emit<Close>();

  CHECK(trace == Trace{"still called"});
}

TEST_CASE_FIXTURE(EmitterTest, "an exception leaves emit and skips the listeners behind it") {
  emitter.on<Close>(say("before"));
  emitter.once<Close>([] { throw std::runtime_error("failed"); });
  emitter.on<Close>(say("behind"));

  CHECK_THROWS_WITH_AS(emitter.emit<Close>(), "failed", std::runtime_error);
  trace.push_back("again");
  emitter.emit<Close>();

  CHECK(trace == Trace{"before", "again", "before", "behind"});
}

TEST_CASE_FIXTURE(EmitterTest, "an emitter destroyed by a listener ends the emit after it") {
  auto owner = std::make_unique<EventEmitter<Close>>();
  owner->on<Close>([this, &owner, mortal = Mortal(trace, "listener")] {
    owner.reset();
    trace.push_back("returns " + mortal.name());
  });
  owner->on<Close>(say("behind"));

  CHECK(owner->emit<Close>());

  CHECK(trace == Trace{"returns listener", "listener dies"});
}

TEST_CASE_FIXTURE(EmitterTest, "a removed listener dies at once, unless an emit is under way") {
  const ListenerId id = emitter.on<Close>([mortal = Mortal(trace, "idle")] {});
  emitter.off(id);
  trace.push_back("removed");
  emitter.once<Close>([this, mortal = Mortal(trace, "once")] { trace.push_back("called"); });
  emitter.on<Close>(say("behind"));
  emitter.emit<Close>();

  CHECK(trace == Trace{"idle dies", "removed", "called", "behind", "once dies"});
}

TEST_CASE_FIXTURE(EmitterTest, "a listener that dies may remove another") {
  struct Remover {
    EventEmitter<Close>& from;
    ListenerId id;
    ~Remover() { from.off(id); }
  };
  EventEmitter<Close> own;
  const ListenerId other = own.on<Close>(say("other"));
  const ListenerId id = own.on<Close>([r = std::make_unique<Remover>(Remover{own, other})] {});

  own.off(id);

  CHECK(own.listener_count<Close>() == 0);
}

TEST_CASE_FIXTURE(EmitterTest, "an empty listener is a usage error") {
  CHECK_THROWS_AS(emitter.on<Close>(nullptr), UsageError);
  CHECK(emitter.listener_count<Close>() == 0);
}

TEST_CASE_FIXTURE(EmitterTest, "an error event nobody listens to throws its error") {
  EventEmitter<Failure> derived;
  const auto error = std::make_exception_ptr(std::runtime_error("unheard"));

  CHECK_THROWS_WITH_AS(emitter.emit<ErrorEvent>(error), "unheard", std::runtime_error);
  CHECK_THROWS_WITH_AS(derived.emit<Failure>(error), "unheard", std::runtime_error);
  CHECK_THROWS_AS(emitter.emit<ErrorEvent>(nullptr), UsageError);
  emitter.on<ErrorEvent>([&](const std::exception_ptr& heard) {
    trace.push_back(heard == error ? "heard" : "another");
  });
  CHECK(emitter.emit<ErrorEvent>(error));

  CHECK(trace == Trace{"heard"});
}

// Source: trace als-emitter of Node 26.
TEST_CASE_FIXTURE(EmitterTest, "a listener sees the context of emit, a bound one that of on") {
  const AsyncLocal<std::string> local;
  HookRecorder recorder;
  const auto note = [&](const std::string& word) {
    return [&recorder, &local, word] {
      recorder.note(word + " " + seen(local) + " " + recorder.name(execution_async_id()));
    };
  };
  std::optional<EventEmitter<Close>> plain;
  local.run("CREATE", [&] { plain.emplace(); });
  local.run("LISTEN", [&] {
    plain->on<Close>(note("plain"));
    plain->on<Close>(bind(note("bound")));
    plain->once<Close>(note("once"));
  });

  local.run("EMIT", [&] { plain->emit<Close>(); });
  plain->emit<Close>();
  plain.reset();
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init bound-anonymous-fn 2 1", "plain EMIT 1", "before 2",
                                  "bound LISTEN 2", "after 2", "once EMIT 1", "plain none 1",
                                  "before 2", "bound LISTEN 2", "after 2", "destroy 2"});
}

// Source: trace als-eear of Node 26.
TEST_CASE_FIXTURE(EmitterTest, "an emitter that is a resource runs each emit as that") {
  const AsyncLocal<std::string> local;
  HookRecorder recorder;
  std::optional<EventEmitterAsyncResource<Close, Quit>> own;
  local.run("CREATE", [&] { own.emplace("MyEE"); });
  local.run("LISTEN", [&] {
    own->on<Close>([&] {
      recorder.note(seen(local) + " " + recorder.name(execution_async_id()) + " " +
                    recorder.name(trigger_async_id()));
    });
  });

  local.run("EMIT", [&] {
    CHECK(own->emit<Close>());
    CHECK_FALSE(own->emit<Quit>());
  });
  own->emit_destroy();
  own.reset();
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init MyEE 2 1", "before 2", "CREATE 2 1", "after 2", "before 2",
                                  "after 2", "destroy 2"});
}

TEST_CASE_FIXTURE(EmitterTest, "an emitter that is a resource shows its ids and options") {
  HookRecorder recorder;

  {
    EventEmitterAsyncResource<Close> own("OWN", {.trigger = 1, .manual_destroy = true});
    CHECK(own.async_id() == own.async_resource().async_id());
    CHECK(own.trigger_async_id() == 1);
    CHECK(own.async_resource().type() == "OWN");
  }
  { const EventEmitterAsyncResource<Close> dropped("DROPPED"); }
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init OWN 2 1", "init DROPPED 3 1", "destroy 3"});
}

TEST_CASE_FIXTURE(EmitterTest, "what leaves emit of such an emitter leaves it behind after") {
  HookRecorder recorder;
  auto own = std::make_unique<EventEmitterAsyncResource<Close, ErrorEvent>>("OWN");
  own->on<Close>([&] {
    own.reset();
    recorder.note("destroyed");
  });

  CHECK_THROWS_AS(own->emit<ErrorEvent>(std::make_exception_ptr(1)), int);
  CHECK(own->emit<Close>());
  detail::drain_destroys();

  CHECK(recorder.trace() == Trace{"init OWN 2 1", "before 2", "after 2", "before 2", "destroyed",
                                  "after 2", "destroy 2"});
}

TEST_CASE_FIXTURE(EmitterTest, "remove_all may drop a listener that owns the emitter") {
  struct One : EventType<> {};
  struct Two : EventType<> {};
  auto owned = std::make_shared<EventEmitter<One, Two>>();
  auto& mine = *owned;
  mine.on<One>([owned] {});
  mine.on<Two>([] {});
  const std::weak_ptr<EventEmitter<One, Two>> seen = std::exchange(owned, nullptr);

  mine.remove_all();

  CHECK(seen.expired());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
