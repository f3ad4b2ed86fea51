#include <memory>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::ContextTest;
using test::seen;
using test::Trace;

TEST_SUITE_BEGIN("ctx/async_local");

TEST_CASE_FIXTURE(ContextTest, "a local without a value answers null") {
  const AsyncLocal<std::string> local;

  CHECK(local.get() == nullptr);
}

TEST_CASE_FIXTURE(ContextTest, "run sets the value for the call and restores the one before") {
  const AsyncLocal<std::string> local;
  Trace trace;

  local.run("outer", [&] {
    trace.push_back(seen(local));
    local.run("inner", [&] { trace.push_back(seen(local)); });
    trace.push_back(seen(local));
  });
  trace.push_back(seen(local));

  CHECK(trace == Trace{"outer", "inner", "outer", "none"});
}

TEST_CASE_FIXTURE(ContextTest, "run with the value that is set already restores nevertheless") {
  const AsyncLocal<std::string> local;
  Trace trace;

  local.run("A", [&] {
    local.run("A", [&] { local.enter_with("B"); });
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"A"});
}

TEST_CASE_FIXTURE(ContextTest,
                  "run and exit pass arguments on and return what the function returns") {
  const AsyncLocal<std::string> local;
  int number = 1;

  const int sum = local.run(
      "A", [](int a, int b) { return a + b; }, 2, 3);
  int& same = local.run(
      "A", [&](int& by_reference) -> int& { return by_reference; }, number);
  const auto moved =
      local.exit([](std::unique_ptr<int> owner) { return owner; }, std::make_unique<int>(4));

  CHECK(sum == 5);
  CHECK(&same == &number);
  CHECK(*moved == 4);
}

TEST_CASE_FIXTURE(ContextTest, "an exception out of run or exit restores and passes through") {
  const AsyncLocal<std::string> local;
  Trace trace;

  local.run("outer", [&] {
    CHECK_THROWS_WITH(local.run("inner", [] { throw std::runtime_error("one"); }), "one");
    trace.push_back(seen(local));
    CHECK_THROWS_WITH(local.exit([] { throw std::runtime_error("two"); }), "two");
    trace.push_back(seen(local));
  });
  trace.push_back(seen(local));

  CHECK(trace == Trace{"outer", "outer", "none"});
}

TEST_CASE_FIXTURE(ContextTest, "a thousand nested runs each see and restore their own value") {
  const AsyncLocal<int> depth;
  int wrong = 0;

  const auto nest = [&](const auto& self, int at) -> void {
    if (at == 1000) return;
    depth.run(at, [&] {
      self(self, at + 1);
      wrong += *depth.get() != at;
    });
  };
  nest(nest, 0);

  CHECK(wrong == 0);
  CHECK(depth.get() == nullptr);
}

TEST_CASE_FIXTURE(ContextTest, "exit hides the value for the call") {
  const AsyncLocal<std::string> local;
  Trace trace;

  local.run("A", [&] {
    local.exit([&] {
      trace.push_back(seen(local));
      local.run("B", [&] { trace.push_back(seen(local)); });
      trace.push_back(seen(local));
    });
    trace.push_back(seen(local));
  });

  CHECK(trace == Trace{"none", "B", "none", "A"});
}

TEST_CASE_FIXTURE(ContextTest, "a hundred runs left by exit inside each other leak nothing") {
  const AsyncLocal<int> local;
  int leaks = 0;

  const auto nest = [&](const auto& self, int left) -> void {
    leaks += local.get() != nullptr;
    if (left == 0) return;
    local.run(left, [&] { local.exit([&] { self(self, left - 1); }); });
    leaks += local.get() != nullptr;
  };
  nest(nest, 100);

  CHECK(leaks == 0);
}

TEST_CASE_FIXTURE(ContextTest, "the default value answers where no value is set") {
  const AsyncLocal<std::string> local({.default_value = "default"});
  Trace trace;

  trace.push_back(seen(local));
  local.run("A", [&] { trace.push_back(seen(local)); });
  trace.push_back(seen(local));

  CHECK(trace == Trace{"default", "A", "default"});
}

TEST_CASE_FIXTURE(ContextTest, "exit hides the default value too") {
  const AsyncLocal<std::string> local({.default_value = "default"});

  local.exit([&] { CHECK(local.get() == nullptr); });

  CHECK(seen(local) == "default");
}

TEST_CASE_FIXTURE(ContextTest, "disable forgets the value but not the default") {
  const AsyncLocal<std::string> plain;
  const AsyncLocal<std::string> defaulted({.default_value = "default"});
  Trace trace;

  plain.enter_with("A");
  defaulted.enter_with("B");
  plain.disable();
  defaulted.disable();
  trace.push_back(seen(plain));
  trace.push_back(seen(defaulted));
  plain.run("C", [&] { trace.push_back(seen(plain)); });

  CHECK(trace == Trace{"none", "default", "C"});
}

TEST_CASE_FIXTURE(ContextTest, "disable inside run holds until run restores the value before") {
  const AsyncLocal<std::string> local;
  const AsyncLocal<std::string> other;
  Trace trace;

  other.enter_with("other");
  local.run("outer", [&] {
    local.run("inner", [&] {
      local.disable();
      trace.push_back(seen(local));
    });
    trace.push_back(seen(local));
  });
  local.disable();

  CHECK(trace == Trace{"none", "outer"});
  CHECK(seen(other) == "other");
}

TEST_CASE_FIXTURE(ContextTest, "value returns what is set and else throws an error with the name") {
  const AsyncLocal<std::string> local({.name = "request"});

  local.run("A", [&] { CHECK(local.value() == "A"); });

  CHECK(local.name() == "request");
  CHECK_THROWS_AS(local.value(), MissingContext);
  CHECK_THROWS_WITH(local.value(), doctest::Contains("AsyncLocal request:"));
}

TEST_CASE_FIXTURE(ContextTest, "locals are independent of each other") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;
  Trace trace;

  first.run("A", [&] {
    second.run("B", [&] {
      trace.push_back(seen(first) + seen(second));
      first.exit([&] { trace.push_back(seen(first) + seen(second)); });
      second.disable();
      trace.push_back(seen(first) + seen(second));
    });
    trace.push_back(seen(first) + seen(second));
  });

  CHECK(trace == Trace{"AB", "noneB", "Anone", "Anone"});
}

TEST_CASE_FIXTURE(ContextTest, "the store is shared and may be changed in place") {
  const AsyncLocal<std::string> local;

  local.run("A", [&] {
    *local.get() += "B";
    local.value() += "C";
    CHECK(seen(local) == "ABC");
  });
}

TEST_CASE_FIXTURE(ContextTest, "a local of a const type gives read-only access") {
  const AsyncLocal<const std::string> local({.default_value = "default"});
  static_assert(std::is_same_v<decltype(local.get()), const std::string*>);

  local.run("A", [&] { CHECK(seen(local) == "A"); });

  CHECK(seen(local) == "default");
}

TEST_CASE_FIXTURE(ContextTest, "a value that only moves can be stored and be the default") {
  const AsyncLocal<std::unique_ptr<int>> local({.default_value = std::make_unique<int>(1)});
  int sum = **local.get();

  local.run(std::make_unique<int>(10), [&] {
    sum += **local.get();
    const auto scope = local.scope(std::make_unique<int>(100));
    sum += **local.get();
  });

  CHECK(sum == 111);
}

TEST_CASE_FIXTURE(ContextTest, "an object or a function member can be run") {
  struct Counter {
    int count = 0;
    int add(int n) { return count += n; }
  };
  const AsyncLocal<std::string> local;
  Counter counter;

  CHECK(local.run("A", &Counter::add, counter, 2) == 2);
  CHECK(local.exit(&Counter::add, &counter, 3) == 5);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
