// trace_promise: the course of an operation that returns a future.
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/channel_registry.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/trace_promise.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;

struct Query {
  std::string name;
  int result = 0;
  std::exception_ptr error = {};
};

// Subscribers that note every event with the store it sees.
struct QueriesTest {
  QueriesTest() {
    queries.start().bind_store(local, [](Query& query) { return "start of " + query.name; });
    queries.async_start().bind_store(local, [](Query& query) { return "async of " + query.name; });
    queries.subscribe({.start = [this](Query&) { note("start"); },
                       .end = [this](Query&) { note("end"); },
                       .async_start = [this](Query& q) { note("async_start " + outcome(q)); },
                       .async_end = [this](Query&) { note("async_end"); },
                       .error = [this](Query& q) { note("error " + outcome(q)); }});
  }
  QueriesTest(const QueriesTest&) = delete;
  QueriesTest& operator=(const QueriesTest&) = delete;
  ~QueriesTest() { detail::end_all_listening(); }

  void note(const std::string& what) { trace.push_back(what + " [" + seen(local) + "]"); }
  static std::string outcome(const Query& query) {
    if (query.error == nullptr) return std::to_string(query.result);
    try {
      std::rethrow_exception(query.error);
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  const TracingChannel<Query> queries{"query"};
  const AsyncLocal<std::string> local;
  Trace trace;
};

TEST_SUITE_BEGIN("runtime/trace_promise");

TEST_CASE_FIXTURE(QueriesTest, "the events of a promise have Node's order and stores") {
  test::run([&] {
    local.run("caller", [&] {
      const auto fetch = [&](int rows) {
        note("fn");
        return Future<void>::resolved().then([rows] { return rows; });
      };
      trace_promise(queries, fetch, Query{"A"}, 7).then([&](int rows) {
        note("then " + std::to_string(rows));
      });
      note("returned");
    });
  });

  CHECK(trace == Trace{"start [start of A]", "fn [start of A]", "end [start of A]",
                       "returned [caller]", "async_start 7 [async of A]", "async_end [async of A]",
                       "then 7 [caller]"});
}

TEST_CASE_FIXTURE(QueriesTest, "a rejection is an error, and rejects what is returned") {
  test::run([&] {
    const auto fail = [] { return Future<void>::rejected(std::runtime_error("no rows")); };
    trace_promise(queries, fail, Query{"B"}).catch_error([&](const std::exception_ptr&) {
      note("caught");
    });
  });

  CHECK(trace == Trace{"start [start of B]", "end [start of B]", "error no rows [start of B]",
                       "async_start no rows [async of B]", "async_end [async of B]",
                       "caught [none]"});
}

TEST_CASE_FIXTURE(QueriesTest, "a function that throws has error and end, and no async events") {
  test::run([&] {
    const auto fail = []() -> Future<int> { throw std::runtime_error("no connection"); };
    CHECK_THROWS_WITH(trace_promise(queries, fail, Query{"C"}), "no connection");
  });

  CHECK(trace ==
        Trace{"start [start of C]", "error no connection [start of C]", "end [start of C]"});
}

TEST_CASE("a value that can only be moved passes through the trace") {
  const TracingChannel<Query> queries("query");
  int seen_value = 0;
  queries.subscribe({.end = [](Query&) {}});

  test::run([&] {
    const auto make = [] {
      return Future<std::unique_ptr<int>>::resolved(std::make_unique<int>(5));
    };
    seen_value = *trace_promise(queries, make, Query{"D"}).await();
  });
  detail::end_all_listening();

  CHECK(seen_value == 5);
}

TEST_CASE("without a subscriber the future is the function's own") {
  const TracingChannel<Query> queries("query");

  test::run([&] {
    const Promise<int> promise;
    const Future<int> future = trace_promise(
        queries, [&] { return promise.future(); }, Query{"E"});
    CHECK(future.async_id() == promise.async_id());
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
