#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/channel_registry.h>
#include <weft/ctx/diagnostics_channel.h>
#include <weft/tests/support/failures.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::HookRecorder;
using test::Mortal;
using test::seen;
using test::Trace;

struct Query {
  int rows = 0;
};

// Subscribers that write a word.
struct ChannelTest : ContextTest {
  ~ChannelTest() { detail::end_all_listening(); }

  auto say(std::string word) {
    return [this, word = std::move(word)](Query&) { trace.push_back(word); };
  }

  DiagnosticsChannel<Query> channel{"db.query"};
  Query query;
  Trace trace;
  test::FailuresOf failures{trace};
};

TEST_SUITE_BEGIN("ctx/diagnostics_channel");

TEST_CASE_FIXTURE(ChannelTest, "subscribers get the published object and the channel's name") {
  channel.subscribe([](Query& it) { ++it.rows; });
  channel.subscribe([&](Query& it, std::string_view name) {
    trace.push_back(std::string(name) + " " + std::to_string(it.rows) +
                    (&it == &query ? " same" : " copy"));
  });

  channel.publish(query);
  channel.publish(Query{5});

  CHECK(trace == Trace{"db.query 1 same", "db.query 6 copy"});
}

TEST_CASE_FIXTURE(ChannelTest, "two handles of a name are one channel") {
  const DiagnosticsChannel<Query> same("db.query");
  const DiagnosticsChannel<Query> other("db.connect");

  same.subscribe(say("heard"));
  channel.publish(query);
  other.publish(query);

  CHECK(same == channel);
  CHECK_FALSE(other == channel);
  CHECK(same.name() == "db.query");
  CHECK(trace == Trace{"heard"});
}

TEST_CASE_FIXTURE(ChannelTest, "a name with another type of message is a usage error") {
  CHECK_THROWS_WITH_AS(DiagnosticsChannel<int>("db.query"),
                       "diagnostics channel 'db.query' carries weft::(anonymous namespace)::Query, "
                       "not int: a name has one type of message; choose another name",
                       UsageError);
  CHECK_THROWS_AS(DiagnosticsChannel<const Query>("db.query"), UsageError);
}

TEST_CASE_FIXTURE(ChannelTest, "a name nobody holds or hears is forgotten") {
  { const DiagnosticsChannel<int> first("reused"); }
  SubscriptionId id{};
  id = DiagnosticsChannel<Query>("reused").subscribe(say("kept by its subscriber"));

  CHECK_THROWS_AS(DiagnosticsChannel<int>("reused"), UsageError);
  DiagnosticsChannel<Query>("reused").publish(query);
  CHECK(DiagnosticsChannel<Query>("reused").unsubscribe(id));
  const DiagnosticsChannel<int> again("reused");

  CHECK(trace == Trace{"kept by its subscriber"});
}

// Source: Node's test diagnostics-channel-memory-leak.
TEST_CASE_FIXTURE(ChannelTest, "channels made and dropped by the thousand take one slot") {
  const auto slot_of = [this](const std::string& name) {
    const DiagnosticsChannel<Query> made(name);
    CHECK_FALSE(made.has_subscribers());  // nothing is left of the one before
    made.unsubscribe(made.subscribe(say(name)));
    return detail::find_channel(name, typeid(Query*))->slot;
  };
  const std::uint32_t slot = slot_of("first");

  std::uint32_t others = 0;
  for (int i = 0; i < 1000; ++i) others += slot_of("name." + std::to_string(i)) != slot ? 1 : 0;

  CHECK(others == 0);
}

TEST_CASE_FIXTURE(ChannelTest, "a channel has subscribers while one listens or a store is bound") {
  const AsyncLocal<int> rows;

  CHECK_FALSE(channel.has_subscribers());
  const SubscriptionId id = channel.subscribe(say(""));
  CHECK(channel.has_subscribers());
  channel.bind_store(rows, &Query::rows);
  channel.unsubscribe(id);
  CHECK(channel.has_subscribers());
  channel.unbind_store(rows);
  CHECK_FALSE(channel.has_subscribers());
}

TEST_CASE_FIXTURE(ChannelTest, "unsubscribe removes one subscription, once") {
  const SubscriptionId id = channel.subscribe(say("removed"));
  channel.subscribe(say("stays"));

  CHECK(channel.unsubscribe(id));
  CHECK_FALSE(channel.unsubscribe(id));
  CHECK_FALSE(DiagnosticsChannel<Query>("db.connect").unsubscribe(id));
  channel.publish(query);

  CHECK(trace == Trace{"stays"});
}

// Source: Node's test diagnostics-channel-sync-unsubscribe.
TEST_CASE_FIXTURE(ChannelTest, "who comes or goes during publish does so from the next one on") {
  SubscriptionId first{};
  SubscriptionId second{};
  first = channel.subscribe([&, mortal = std::make_shared<Mortal>(trace, "first")](Query&) {
    channel.unsubscribe(first);
    channel.unsubscribe(second);
    trace.push_back(channel.has_subscribers() ? "some" : "none");
    channel.subscribe(say("added"));
  });
  second = channel.subscribe(say("second"));

  channel.publish(query);
  channel.publish(query);

  CHECK(trace == Trace{"none", "second", "first dies", "added"});
}

// Source: Node's test diagnostics-channel-safe-subscriber-errors.
TEST_CASE_FIXTURE(ChannelTest, "a subscriber that throws stops neither publisher nor others") {
  channel.subscribe([](Query&) { throw std::runtime_error("mine"); });
  channel.subscribe(say("next"));

  channel.publish(query);
  trace.push_back("published");

  CHECK(trace == Trace{"failed: mine (std::runtime_error)", "next", "published"});
}

TEST_CASE_FIXTURE(ChannelTest, "a subscriber sees the context of publish") {
  const AsyncLocal<std::string> local;
  local.run("subscribe", [&] { channel.subscribe([&](Query&) { trace.push_back(seen(local)); }); });

  local.run("publish", [&] { channel.publish(query); });

  CHECK(trace == Trace{"publish"});
}

TEST_CASE_FIXTURE(ChannelTest, "a thread hears only itself, under the same name") {
  channel.subscribe(say("here"));

  std::thread([&] {
    Trace there;
    CHECK_FALSE(channel.has_subscribers());
    const SubscriptionId id = channel.subscribe([&](Query&) { there.push_back("there"); });
    channel.subscribe([](Query&) {});  // dies with the thread
    channel.publish(query);
    CHECK(channel.unsubscribe(id));
    CHECK(there == Trace{"there"});
  }).join();
  channel.publish(query);

  CHECK(trace == Trace{"here"});
}

TEST_CASE_FIXTURE(ChannelTest, "many threads may make and forget the same names") {
  const auto churn = [](int seed) {
    for (int i = 0; i < 300; ++i) {
      const DiagnosticsChannel<Query> made("churn." + std::to_string((seed + i) % 5));
      const SubscriptionId id = made.subscribe([](Query& it) { ++it.rows; });
      Query message;
      made.publish(message);
      if (message.rows != 1 || !made.unsubscribe(id)) throw std::logic_error("lost");
    }
  };

  std::thread a(churn, 0);
  std::thread b(churn, 1);
  churn(2);
  a.join();
  b.join();

  CHECK(DiagnosticsChannel<int>("churn.0").name() == "churn.0");
}

// Source: trace dc-bindstore of Node 26.
TEST_CASE_FIXTURE(ChannelTest, "run_stores sets the bound store for subscribers and function") {
  const AsyncLocal<std::string> local;
  HookRecorder recorder;
  std::optional<AsyncResource> timer;
  const auto note = [&](const std::string& what) { recorder.note(what + " " + seen(local)); };
  channel.bind_store(local, [](Query& it) { return "rows " + std::to_string(it.rows); });
  channel.subscribe([&](Query&, std::string_view name) { note(std::string(name)); });

  const auto run = [&](int x) {
    note("fn");
    timer.emplace("Timeout");
    return x;
  };
  const int result = local.run("OUTER", [&] { return channel.run_stores(Query{1}, run, 7); });
  note(std::to_string(result));
  CHECK(channel.unbind_store(local));
  CHECK_FALSE(channel.unbind_store(local));
  local.run("OUTER", [&] { channel.run_stores(Query{2}, [&] { note("unbound"); }); });
  timer->run_in_async_scope([&] { note("timer"); });

  CHECK(recorder.trace() == Trace{"db.query rows 1", "fn rows 1", "init Timeout 2 1", "7 none",
                                  "db.query OUTER", "unbound OUTER", "before 2", "timer rows 1",
                                  "after 2"});
}

// Source: Node's test diagnostics-channel-bind-store.
TEST_CASE_FIXTURE(ChannelTest, "stores are set in the order bound and restored in reverse") {
  const AsyncLocal<Mortal> first;
  const AsyncLocal<Mortal> second;
  const auto make = [this](const char* name) {
    return [this, name](Query&) {
      trace.push_back(name);
      return Mortal(trace, name);
    };
  };
  channel.bind_store(first, make("replaced"));
  channel.bind_store(second, make("second"));
  channel.bind_store(first, make("first"));
  channel.subscribe([&](Query&) { trace.push_back("subscriber"); });

  channel.run_stores(query, [&] { trace.push_back("fn"); });

  CHECK(trace == Trace{"first", "second", "subscriber", "fn", "second dies", "first dies"});
}

TEST_CASE_FIXTURE(ChannelTest, "without a transform the message is the store") {
  const AsyncLocal<Query> whole;
  channel.bind_store(whole);

  channel.run_stores(Query{3}, [&] {
    CHECK(whole.value().rows == 3);
    channel.run_stores(Query{4}, [&] { CHECK(whole.value().rows == 4); });
    CHECK(whole.value().rows == 3);
  });

  CHECK(whole.get() == nullptr);
}

// Source: Node's test diagnostics-channel-bind-store.
TEST_CASE_FIXTURE(ChannelTest, "a transform that throws leaves its store and reports") {
  const AsyncLocal<std::string> broken;
  const AsyncLocal<std::string> good;
  channel.bind_store(broken, [](Query&) -> std::string { throw std::runtime_error("transform"); });
  channel.bind_store(good, [](Query&) { return "set"; });

  broken.run("outer", [&] {
    channel.run_stores(query, [&] { trace.push_back(seen(broken) + " " + seen(good)); });
  });

  CHECK(trace == Trace{"failed: transform (std::runtime_error)", "outer set"});
}

TEST_CASE_FIXTURE(ChannelTest, "what the function throws passes through and restores the stores") {
  const AsyncLocal<int> rows;
  channel.bind_store(rows, &Query::rows);

  CHECK_THROWS_AS(channel.run_stores(query, [] { throw std::runtime_error("fn"); }),
                  std::runtime_error);

  CHECK(rows.get() == nullptr);
  CHECK(trace.empty());
}

TEST_CASE_FIXTURE(ChannelTest, "run_stores passes arguments and results as they are") {
  struct Pinned {
    explicit Pinned(int& its_value) : value(its_value) {}
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    int& value;
  };
  int number = 1;

  int& same = channel.run_stores(
      query, [](int& n) -> int& { return n; }, number);
  const Pinned pinned = channel.run_stores(
      query, [](int& n) { return Pinned(n); }, number);
  CHECK(*channel.run_stores(
            query, [](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(6)) == 6);

  CHECK(&same == &number);
  CHECK(&pinned.value == &number);
}

TEST_CASE_FIXTURE(ChannelTest, "store_scope sets the stores until the end of its block") {
  const AsyncLocal<int> rows;
  channel.bind_store(rows, &Query::rows);
  channel.subscribe(say("published"));

  {
    query.rows = 2;
    const auto scope = channel.store_scope(query);
    CHECK(rows.value() == 2);
  }

  CHECK(rows.get() == nullptr);
  CHECK(trace == Trace{"published"});
}

TEST_CASE_FIXTURE(ChannelTest, "a store unbound by a transform is still set this time") {
  const AsyncLocal<int> first;
  const AsyncLocal<int> second;
  channel.bind_store(first, [&](Query&) {
    channel.unbind_store(first);
    channel.unbind_store(second);
    return 1;
  });
  channel.bind_store(second, [](Query&) { return 2; });

  CHECK(channel.run_stores(query, [&] { return first.value() + second.value(); }) == 3);
  CHECK_FALSE(channel.has_subscribers());
}

TEST_CASE_FIXTURE(ChannelTest, "what an unsubscribed function owned may subscribe as it dies") {
  struct Renew {
    Renew(const DiagnosticsChannel<Query>& its_channel, SubscriptionId to_remove, int& counter)
        : channel(its_channel), other(to_remove), calls(counter) {}
    Renew(const Renew&) = delete;
    Renew& operator=(const Renew&) = delete;
    ~Renew() {
      channel.unsubscribe(other);
      channel.subscribe([&count = calls](Query&) { ++count; });
    }
    const DiagnosticsChannel<Query>& channel;
    SubscriptionId other;
    int& calls;
  };
  int calls = 0;
  const SubscriptionId other = channel.subscribe([](Query&) {});
  const SubscriptionId owner = channel.subscribe(
      [held = std::make_unique<Renew>(channel, other, calls)](Query&) { CHECK(held != nullptr); });

  CHECK(channel.unsubscribe(owner));
  channel.publish(query);

  CHECK(calls == 1);
  CHECK(channel.has_subscribers());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
