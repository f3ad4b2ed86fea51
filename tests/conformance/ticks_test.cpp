#include <doctest/doctest.h>

#include <weft/runtime/ticks.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;

TEST_SUITE_BEGIN("conformance/ticks");

TEST_CASE("ticks run behind the main code in the order queued, each in its own store") {
  reproduce("nexttick", [](Life& life) {
    const auto first = [&life] {
      life.cb("tick1");
      next_tick([&life] { life.cb("tick-nested"); });
    };
    life.run([&] {
      life.als.run("A", [&] { next_tick(first); });
      life.als.run("B", [&] { next_tick([&] { life.cb("tick2-7"); }); });
      life.cb("main");
    });
  });
}

TEST_CASE("a tick queued by a microtask waits for all microtasks") {
  reproduce("microtask", [](Life& life) {
    const auto first = [&life] {
      life.cb("m1");
      queue_microtask([&life] { life.cb("m-nested"); });
      next_tick([&life] { life.cb("tick"); });
    };
    life.run([&] {
      life.als.run("A", [&] { queue_microtask(first); });
      life.als.run("B", [&] { queue_microtask([&] { life.cb("m2"); }); });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
