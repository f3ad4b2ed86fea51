#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/promise.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/promises");

// Calls `cb` with the label as a reaction does.
auto say(Life& life, const char* label) {
  return [&life, label] { life.cb(label); };
}

TEST_CASE("a chain of reactions is a chain of promises, each triggered by the one before") {
  reproduce("promise-chain", [](Life& life) {
    const auto fail = [&life] {
      life.cb("then2");
      throw std::runtime_error("x");
    };
    const auto chain = [&] {
      Promise<void> promise;
      const Future<void> first = promise.future();
      life.cb("executor");
      promise.resolve();
      first.then(say(life, "then1"))
          .then(fail)
          .catch_error([&life](const std::exception_ptr&) { life.cb("catch"); })
          .finally(say(life, "finally"));
    };
    life.run([&] { life.als.run("A", chain); });
  });
}

TEST_CASE("a reaction sees the store of its then, not of the promise or of who settles it") {
  reproduce("promise-registration-vs-resolution", [](Life& life) {
    std::optional<Promise<void>> promise;
    std::optional<Future<void>> reaction;
    const auto settle = [&] {
      life.cb("resolver");
      promise->resolve();
    };
    life.run([&] {
      life.als.run("CREATE", [&] { promise.emplace(); });
      life.als.run("REGISTER", [&] { reaction = promise->future().then(say(life, "then")); });
      life.als.run("RESOLVE", [&] { set_timeout(1ms, settle); });
    });
  });
}

TEST_CASE("a promise that follows another settles two microtasks behind it") {
  reproduce("promise-follow", [](Life& life) {
    std::optional<Promise<void>> inner;
    std::optional<Promise<void>> outer;
    std::optional<Future<void>> reaction;
    const auto follow = [&] {
      outer.emplace();
      outer->resolve(inner->future());
    };
    life.run([&] {
      life.als.run("INNER", [&] { inner.emplace(); });
      life.als.run("OUTER", follow);
      life.als.run("THEN", [&] { reaction = outer->future().then(say(life, "then")); });
      life.als.run("RESOLVE", [&] { set_timeout(1ms, [&] { inner->resolve(); }); });
    });
  });
}

TEST_CASE("a rejection nobody takes is told in the context of the rejection") {
  reproduce("rejection-context", [](Life& life) {
    std::optional<Promise<int>> promise;
    const auto on_uncaught = [&life](const std::exception_ptr&) { life.cb("unhandledRejection"); };
    const auto body = [&] {
      life.als.run("CREATE", [&] { promise.emplace(); });
      life.als.run("REJECT", [&] { promise->reject(std::runtime_error("boom")); });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
