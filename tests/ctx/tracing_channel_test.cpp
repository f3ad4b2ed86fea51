#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/snapshot.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/tests/support/failures.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::Trace;

struct Fetch {
  int n = 0;
  std::exception_ptr error = {};
  std::string result = {};
};

// Has the verbs of runtime/'s Result<T>, which ctx/ does not know.
struct Outcome {
  std::optional<std::string> text;
  explicit operator bool() const { return text.has_value(); }
  std::error_code error() const { return std::make_error_code(std::errc::timed_out); }
  const std::string& value() const {
    if (!text) throw std::system_error(error(), "fetch");
    return *text;
  }
};

// Subscribers to all events, which write the event, the error or result, and the store.
struct TracingTest : ContextTest {
  ~TracingTest() { detail::end_all_listening(); }

  auto say(std::string event) {
    return [this, event = std::move(event)](const Fetch& fetch) {
      std::string line = event;
      if (fetch.error) line += " " + detail::describe_exception(fetch.error);
      if (!fetch.result.empty()) line += " =" + fetch.result;
      note(line);
    };
  }
  void note(const std::string& what) { trace.push_back(what + " " + test::seen(local)); }
  TracingSubscription subscribe_all() {
    return fetches.subscribe({.start = say("start"),
                              .end = say("end"),
                              .async_start = say("asyncStart"),
                              .async_end = say("asyncEnd"),
                              .error = say("error")});
  }
  void bind_stores() {
    fetches.start().bind_store(local, [](Fetch& f) { return "S:" + std::to_string(f.n); });
    fetches.async_start().bind_store(local, [](Fetch& f) { return "AS:" + std::to_string(f.n); });
  }

  const TracingChannel<Fetch> fetches{"fetch"};
  const AsyncLocal<std::string> local;
  Trace trace;
  test::FailuresOf failures{trace};
};

TEST_SUITE_BEGIN("ctx/tracing_channel");

TEST_CASE_FIXTURE(TracingTest, "the five channels bear Node's names") {
  CHECK(fetches.start().name() == "tracing:fetch:start");
  CHECK(fetches.end().name() == "tracing:fetch:end");
  CHECK(fetches.async_start().name() == "tracing:fetch:asyncStart");
  CHECK(fetches.async_end().name() == "tracing:fetch:asyncEnd");
  CHECK(fetches.error().name() == "tracing:fetch:error");
}

// Source: Node's test diagnostics-channel-tracing-channel-has-subscribers.
TEST_CASE_FIXTURE(TracingTest, "one channel with a subscriber or a store is enough") {
  const DiagnosticsChannel<Fetch>* channel = nullptr;
  SUBCASE("start") {
    channel = &fetches.start();
  }
  SUBCASE("end") {
    channel = &fetches.end();
  }
  SUBCASE("asyncStart") {
    channel = &fetches.async_start();
  }
  SUBCASE("asyncEnd") {
    channel = &fetches.async_end();
  }
  SUBCASE("error") {
    channel = &fetches.error();
  }

  CHECK_FALSE(fetches.has_subscribers());
  const SubscriptionId id = channel->subscribe([](Fetch&) {});
  CHECK(fetches.has_subscribers());
  channel->unsubscribe(id);
  CHECK_FALSE(fetches.has_subscribers());
  channel->bind_store(local, [](Fetch&) { return "store"; });
  CHECK(fetches.has_subscribers());
}

TEST_CASE_FIXTURE(TracingTest, "unsubscribe takes all of one subscribe back, once") {
  const TracingSubscription all = subscribe_all();
  const TracingSubscription some = fetches.subscribe({.end = [](Fetch&) {}});

  CHECK(fetches.unsubscribe(all));
  CHECK_FALSE(fetches.unsubscribe(all));
  CHECK(fetches.has_subscribers());
  CHECK(fetches.unsubscribe(some));
  CHECK_FALSE(fetches.has_subscribers());
}

// Source: trace dc-tracing of Node 26, traceSync.
TEST_CASE_FIXTURE(TracingTest, "trace_sync tells start, result and end inside start's stores") {
  subscribe_all();
  bind_stores();

  const std::string result = fetches.trace_sync(
      [&](std::string x) {
        note("fn");
        return x;
      },
      Fetch{1}, "5");

  CHECK(result == "5");
  CHECK(trace == Trace{"start S:1", "fn S:1", "end =5 S:1"});
}

// Source: trace dc-tracing of Node 26, traceSync-throw.
TEST_CASE_FIXTURE(TracingTest, "trace_sync tells error and end of a function that throws") {
  subscribe_all();
  bind_stores();

  CHECK_THROWS_WITH_AS(fetches.trace_sync([] { throw std::runtime_error("e"); }, Fetch{2}), "e",
                       std::runtime_error);
  note("caught");

  CHECK(trace == Trace{"start S:2", "error e (std::runtime_error) S:2",
                       "end e (std::runtime_error) S:2", "caught none"});
}

TEST_CASE_FIXTURE(TracingTest, "all events get the caller's context object") {
  Fetch mine{0};
  fetches.subscribe({.start = [](Fetch& f) { f.n += 1; }, .end = [](Fetch& f) { f.n += 10; }});

  fetches.trace_sync([&] { CHECK(mine.n == 1); }, mine);

  CHECK(mine.n == 11);
}

TEST_CASE_FIXTURE(TracingTest, "a context without result and error is as good") {
  struct Bare {};
  const TracingChannel<Bare> bare("bare");
  bare.subscribe({.end = [&](Bare&) { trace.push_back("end"); }});

  CHECK(bare.trace_sync([] { return 3; }, Bare{}) == 3);
  CHECK_THROWS_AS(bare.trace_sync([] { throw 1; }, Bare{}), int);
  bare.trace_callback([](auto done) { done(std::error_code(), 1); }, Bare{},
                      [&](std::error_code, int n) { trace.push_back(std::to_string(n)); });

  CHECK(trace == Trace{"end", "end", "1", "end"});
}

TEST_CASE_FIXTURE(TracingTest, "trace_sync returns what a function returns, references and all") {
  SUBCASE("traced") {
    subscribe_all();
  }
  SUBCASE("not traced") {}
  int number = 1;
  struct Pinned {
    Pinned() = default;
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
  };

  int& same = fetches.trace_sync([](int& n) -> int& { return n; }, Fetch{}, number);
  const auto moved = fetches.trace_sync([] { return std::make_unique<int>(2); }, Fetch{});
  [[maybe_unused]] const Pinned pinned = fetches.trace_sync([] { return Pinned(); }, Fetch{});

  CHECK(&same == &number);
  CHECK(*moved == 2);
}

// Source: Node's tests diagnostics-channel-tracing-channel-sync-early-exit, -callback-early-exit.
TEST_CASE_FIXTURE(TracingTest, "who subscribes during a call hears nothing of that call") {
  SUBCASE("trace_sync") {
    fetches.trace_sync([&] { subscribe_all(); }, Fetch{});
  }
  SUBCASE("trace_callback") {
    fetches.trace_callback(
        [&](auto done) {
          subscribe_all();
          done();
        },
        Fetch{}, [&] { note("callback"); });
    CHECK(std::exchange(trace, {}) == Trace{"callback none"});
  }

  CHECK(trace.empty());
  CHECK(fetches.has_subscribers());
}

// Source: trace dc-tracing of Node 26, traceCallback.
TEST_CASE_FIXTURE(TracingTest, "trace_callback tells the call and the callback that comes later") {
  subscribe_all();
  bind_stores();
  std::optional<AsyncResource> timer;
  UniqueFunction<void()> fire;

  fetches.trace_callback(
      [&](auto done) {
        note("fn");
        timer.emplace("Timeout");
        fire = [done = std::move(done)]() mutable { done(std::error_code(), "r"); };
      },
      Fetch{3}, [&](std::error_code, const char*) { note("user-callback"); });
  note("outside");
  timer->run_in_async_scope([&] {
    fire();
    note("timer");
  });

  CHECK(trace == Trace{"start S:3", "fn S:3", "end S:3", "outside none", "asyncStart =r AS:3",
                       "user-callback AS:3", "asyncEnd =r AS:3", "timer S:3"});
}

// Source: Node's test diagnostics-channel-tracing-channel-callback-error.
TEST_CASE_FIXTURE(TracingTest, "an error the callback gets is told before its events") {
  subscribe_all();
  const auto expect = [&](const std::string& error) {
    CHECK(std::exchange(trace, {}) ==
          Trace{"start none", "error " + error + " none", "asyncStart " + error + " none",
                "callback none", "asyncEnd " + error + " none", "end " + error + " none"});
  };
  const auto start = [](auto error) { return [error](auto done) { done(error); }; };
  const auto done = [&](const auto&) { note("callback"); };

  fetches.trace_callback(start(std::make_error_code(std::errc::timed_out)), Fetch{}, done);
  expect("Connection timed out (std::system_error)");
  fetches.trace_callback(start(std::make_exception_ptr(std::runtime_error("e"))), Fetch{}, done);
  expect("e (std::runtime_error)");
  fetches.trace_callback(start(Outcome{}), Fetch{}, done);
  expect("fetch: Connection timed out (std::system_error)");
}

TEST_CASE_FIXTURE(TracingTest, "a result the callback gets is found where it stands") {
  fetches.subscribe({.async_start = [&](Fetch& f) { trace.push_back(f.result); }});
  const auto done = [](const auto&...) {};

  fetches.trace_callback([](auto cb) { cb(std::string("plain")); }, Fetch{}, done);
  fetches.trace_callback([](auto cb) { cb(std::exception_ptr(), "second"); }, Fetch{}, done);
  fetches.trace_callback([](auto cb) { cb(Outcome{"of a Result"}); }, Fetch{}, done);
  fetches.trace_callback([](auto cb) { cb(); }, Fetch{}, done);

  CHECK(trace == Trace{"plain", "second", "of a Result", ""});
}

TEST_CASE_FIXTURE(TracingTest, "a call that throws instead of starting tells error and end") {
  subscribe_all();

  CHECK_THROWS_AS(
      fetches.trace_callback([](auto) { throw std::runtime_error("no"); }, Fetch{}, [] {}),
      std::runtime_error);

  CHECK(trace == Trace{"start none", "error no (std::runtime_error) none",
                       "end no (std::runtime_error) none"});
}

TEST_CASE_FIXTURE(TracingTest, "a callback that throws is told as ended and throws on") {
  subscribe_all();
  UniqueFunction<void(int)> fire;
  fetches.trace_callback([&](UniqueFunction<void(int)> done) { fire = std::move(done); }, Fetch{},
                         [](int) { throw std::runtime_error("mine"); });
  trace.clear();

  CHECK_THROWS_AS(fire(1), std::runtime_error);

  CHECK(trace == Trace{"asyncStart none", "asyncEnd none"});
}

TEST_CASE_FIXTURE(TracingTest, "arguments before the callback pass through, traced or not") {
  SUBCASE("traced") {
    subscribe_all();
  }
  SUBCASE("not traced") {}
  int sum = 0;

  const int returned = fetches.trace_callback(
      [](int& a, std::unique_ptr<int> b, auto done) {
        a += *b;
        done(a);
        return 9;
      },
      Fetch{}, sum, std::make_unique<int>(2), [&](int a) { sum = a * 10; });

  CHECK(returned == 9);
  CHECK(sum == 20);
}

TEST_CASE_FIXTURE(TracingTest, "a traced callback may be copied, moved and dropped") {
  subscribe_all();
  std::function<void(int)> copied;
  fetches.trace_callback([&](std::function<void(int)> done) { copied = std::move(done); }, Fetch{},
                         [&](int) {
                           note("callback");
                           copied = nullptr;
                         });
  const auto again = copied;
  copied(1);
  again(2);
  fetches.trace_callback([](auto) {}, Fetch{}, [owned = std::make_unique<int>(1)] {});

  CHECK(trace == Trace{"start none", "end none", "asyncStart none", "callback none",
                       "asyncEnd none", "asyncStart none", "callback none", "asyncEnd none",
                       "start none", "end none"});
}

// Source: Node's test diagnostics-channel-tracing-channel-callback-run-stores.
TEST_CASE_FIXTURE(TracingTest, "without a store of its own a callback runs where it comes") {
  fetches.start().bind_store(local, [](Fetch&) { return "S"; });
  UniqueFunction<void()> plain;
  UniqueFunction<void()> bound;

  fetches.trace_callback([&](auto done) { plain = std::move(done); }, Fetch{},
                         [&] { note("plain"); });
  fetches.trace_callback([&](auto done) { bound = bind(std::move(done)); }, Fetch{},
                         [&] { note("bound"); });
  local.run("later", [&] {
    plain();
    bound();
  });

  CHECK(trace == Trace{"plain later", "bound S"});
}

TEST_CASE_FIXTURE(TracingTest, "a subscriber that throws changes nothing in the traced call") {
  fetches.subscribe({.start = [](Fetch&) { throw std::runtime_error("start"); },
                     .end = [](Fetch&) { throw std::runtime_error("end"); },
                     .error = [](Fetch&) { throw std::runtime_error("error"); }});

  CHECK_THROWS_WITH_AS(fetches.trace_sync([] { throw std::runtime_error("fn"); }, Fetch{}), "fn",
                       std::runtime_error);

  CHECK(trace == Trace{"failed: start (std::runtime_error)", "failed: error (std::runtime_error)",
                       "failed: end (std::runtime_error)"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
