#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/uncaught");

constexpr AsyncResourceOptions kManual{.manual_destroy = true};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::runtime_error& thrown) {
    return thrown.what();
  }
}

TEST_CASE("the handler of an uncaught error runs inside the timer that failed; others go on") {
  reproduce("uncaught-timer", [](Life& life) {
    const auto fail = [&life] {
      life.cb("t");
      throw std::runtime_error("boom");
    };
    const auto on_uncaught = [&life](const std::exception_ptr& error) {
      life.cb("uncaughtException-" + text_of(error));
    };
    const auto body = [&] {
      life.als.run("A", [&] { set_timeout(1ms, fail); });
      life.als.run("B", [&] { set_timeout(1ms, [&] { life.cb("t2-same-list"); }); });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_CASE("the handler of an error of the main code sees the main code's store") {
  reproduce("uncaught-main", [](Life& life) {
    const auto on_uncaught = [&life](const std::exception_ptr& error) {
      life.cb("uncaughtException-" + text_of(error));
      set_timeout(5ms, [&life] { life.cb("later"); });
    };
    const auto body = [&] {
      life.als.enter_with("M");
      throw std::runtime_error("boom");
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_CASE("behind an immediate that failed its ticks run, and the other immediates") {
  reproduce("uncaught-immediate", [](Life& life) {
    const auto fail = [&life] {
      next_tick([&life] { life.cb("tick"); });
      throw std::runtime_error("boom");
    };
    const auto on_uncaught = [&life](const std::exception_ptr& error) {
      life.cb("uncaughtException-" + text_of(error));
    };
    const auto body = [&] {
      life.als.run("A", [&] { set_immediate(fail); });
      life.als.run("B", [&] { set_immediate([&] { life.cb("second"); }); });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_CASE("the scopes an error leaves are over before its handler runs") {
  reproduce("uncaught-nested-scope", [](Life& life) {
    std::optional<AsyncResource> outer;
    std::optional<AsyncResource> inner;
    const auto on_uncaught = [&life](const std::exception_ptr& error) {
      life.cb("uncaughtException-" + text_of(error));
    };
    const auto fail = [&life] {
      life.cb("fail");
      throw std::runtime_error("boom");
    };
    const auto nested = [&] { life.als.run("B", [&] { inner->run_in_async_scope(fail); }); };
    const auto body = [&] {
      life.als.run("OUTER", [&] { outer.emplace("OUTER", kManual); });
      life.als.run("INNER", [&] { inner.emplace("INNER", kManual); });
      life.als.run("A", [&] { set_timeout(1ms, [&] { outer->run_in_async_scope(nested); }); });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
