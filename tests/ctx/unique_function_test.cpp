#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/unique_function.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Mortal;
using test::Trace;

static_assert(!std::is_copy_constructible_v<UniqueFunction<void()>>);
static_assert(!std::is_copy_assignable_v<UniqueFunction<void()>>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFunction<void()>>);
static_assert(!std::is_constructible_v<UniqueFunction<void()>, int>);
static_assert(!std::is_constructible_v<UniqueFunction<void(int)>, void (*)(std::string)>);

// Room for a target that does not fit into the object.
using Ballast = std::array<void*, 8>;

TEST_SUITE_BEGIN("ctx/unique_function");

TEST_CASE("an empty function is false") {
  UniqueFunction<void()> made;
  UniqueFunction<void()> null = nullptr;
  UniqueFunction<void()> filled = [] {};

  CHECK_FALSE(made);
  CHECK_FALSE(null);
  CHECK(filled);
}

TEST_CASE("any callable can be the target") {
  struct Adder {
    int base;
    int add(int n) const { return base + n; }
  };
  const Adder adder{40};
  int (*pointer)(int) = [](int n) { return n + 1; };

  UniqueFunction<int(int)> lambda = [](int n) { return n * 2; };
  UniqueFunction<int(int)> function = pointer;
  UniqueFunction<int(const Adder&, int)> member = &Adder::add;
  UniqueFunction<int(int)> wrapped = std::bind_front(&Adder::add, &adder);

  CHECK(lambda(4) == 8);
  CHECK(function(4) == 5);
  CHECK(member(adder, 2) == 42);
  CHECK(wrapped(3) == 43);
}

TEST_CASE("arguments are forwarded and results returned as they are") {
  int number = 0;
  UniqueFunction<int&(int&)> reference = [](int& n) -> int& { return n; };
  UniqueFunction<std::unique_ptr<int>(std::unique_ptr<int>)> owner = [](std::unique_ptr<int> p) {
    return p;
  };

  CHECK(&reference(number) == &number);
  CHECK(*owner(std::make_unique<int>(5)) == 5);
}

TEST_CASE("a function of void drops the result of its target") {
  int calls = 0;
  const Ballast ballast{};
  UniqueFunction<void()> small = [&] { return ++calls; };
  UniqueFunction<void()> large = [&calls, ballast] { return ++calls + (ballast[0] != nullptr); };

  small();
  large();

  CHECK(calls == 2);
}

TEST_CASE("a result is converted as the signature says") {
  UniqueFunction<std::string()> text = [] { return "A"; };

  CHECK(text() == "A");
}

TEST_CASE("the target keeps its state between calls") {
  UniqueFunction<int()> count = [n = 0]() mutable { return ++n; };

  count();

  CHECK(count() == 2);
}

TEST_CASE("the target dies once, with the function that holds it last") {
  Trace trace;
  UniqueFunction<void()> first;
  SUBCASE("inside the object") {
    first = [held = Mortal(trace, "target"), &trace] { trace.push_back("called"); };
  }
  SUBCASE("on the heap") {
    first = [held = Mortal(trace, "target"), ballast = Ballast(), &trace] {
      trace.push_back(ballast[0] == nullptr ? "called" : "damaged");
    };
  }

  UniqueFunction<void()> second = std::move(first);
  second();
  first = std::move(second);
  first();
  first = nullptr;
  trace.push_back("empty");

  CHECK(trace == Trace{"called", "called", "target dies", "empty"});
}

TEST_CASE("a function moved from is empty") {
  UniqueFunction<int()> from = [] { return 1; };

  UniqueFunction<int()> to = std::move(from);

  // What moving leaves is the contract.
  CHECK_FALSE(from);  // NOLINT(bugprone-use-after-move)
  CHECK(to() == 1);
}

TEST_CASE("a move leaves no target behind") {
  struct Alive {
    int* count;
    explicit Alive(int& into) : count(&into) { ++*count; }
    Alive(Alive&& other) noexcept : count(other.count) { ++*count; }
    Alive& operator=(Alive&&) = delete;
    ~Alive() { --*count; }
    void operator()() const {}
  };
  int alive = 0;

  {
    UniqueFunction<void()> first = Alive(alive);
    UniqueFunction<void()> second = std::move(first);
    CHECK(alive == 1);
  }

  CHECK(alive == 0);
}

TEST_CASE("assigning a function to itself changes nothing") {
  UniqueFunction<int()> function = [owner = std::make_unique<int>(1)] { return *owner; };
  UniqueFunction<int()>& same = function;

  function = std::move(same);

  REQUIRE(function);
  CHECK(function() == 1);
}

TEST_CASE("a function can be replaced by one that its target owns") {
  struct Link {
    std::unique_ptr<UniqueFunction<int()>> next;
    int operator()() const { return 1; }
  };
  UniqueFunction<int()>* next = nullptr;
  Link link{std::make_unique<UniqueFunction<int()>>([] { return 2; })};
  next = link.next.get();
  UniqueFunction<int()> chain = std::move(link);

  chain = std::move(*next);

  CHECK(chain() == 2);
}

TEST_CASE("a target whose move may throw is never moved again") {
  struct Throwing {
    int* moves;
    explicit Throwing(int& count) : moves(&count) {}
    // Not noexcept: that is what the case is about.
    Throwing(Throwing&& other) noexcept(false)  // NOLINT(performance-noexcept-move-constructor)
        : moves(other.moves) {
      ++*moves;
    }
    void operator()() const {}
  };
  int moves = 0;
  UniqueFunction<void()> first = Throwing(moves);
  const int moved_in = moves;

  UniqueFunction<void()> second = std::move(first);
  first = std::move(second);

  CHECK(moves == moved_in);
}

TEST_CASE("a target that cannot be made leaves the exception to the caller") {
  struct Unmakable {
    Unmakable() = default;
    Unmakable(const Unmakable&) { throw std::runtime_error("no copy"); }
    void operator()() const {}
  };
  const Unmakable target;

  CHECK_THROWS_WITH(UniqueFunction<void()>{target}, "no copy");
}

TEST_CASE("an over-aligned target lies where its type wants it") {
  struct alignas(32) Wide {
    const void* operator()() const { return this; }
  };

  UniqueFunction<const void*()> function = Wide();
  UniqueFunction<const void*()> moved = std::move(function);

  CHECK(reinterpret_cast<std::uintptr_t>(moved()) % 32 == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
