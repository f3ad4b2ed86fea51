#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/hooks.h>
#include <weft/ctx/snapshot.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using test::seen;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/async_local");

// Calls `fn`, which throws.
template <typename Fn>
void catch_from(Fn fn) {
  try {
    fn();
  } catch (const std::runtime_error&) {
  }
}

TEST_CASE("run sets the store for its call only, nested, thrown out of or the same again") {
  reproduce("als-run", [](Life& life) {
    const auto inside = [&life](int x, int y) {
      life.cb("in-A");
      life.als.run("B", [&] { life.cb("in-B"); });
      life.cb("back-in-A");
      life.als.exit([&] { life.cb("undef"); });
      life.als.run("A", [&] { life.cb("same-store"); });
      return x + y;
    };
    const auto fail = [&life] {
      life.cb("will-throw");
      throw std::runtime_error("x");
    };
    life.run([&] {
      life.cb("outside");
      life.cb("after ret=" + std::to_string(life.als.run("A", inside, 1, 2)));
      catch_from([&] { life.als.run("T", fail); });
      life.cb("caught");
    });
  });
}

TEST_CASE("exit takes the store away for its call, and from what that starts") {
  reproduce("als-exit", [](Life& life) {
    const auto outside = [&life](int x) {
      life.cb("in-exit");
      set_timeout(1ms, [&life] { life.cb("timer-created-in-exit"); });
      return x;
    };
    const auto inside = [&life, outside] {
      life.cb("after-exit r=" + std::to_string(life.als.exit(outside, 5)));
      set_timeout(1ms, [&life] { life.cb("timer-created-after-exit"); });
      catch_from([&] { life.als.exit([] { throw std::runtime_error("x"); }); });
      life.cb("caught-after-exit-throw");
    };
    life.run([&] { life.als.run("A", inside); });
  });
}

TEST_CASE("enter_with lasts for the rest of the callback, and a run around it takes it back") {
  reproduce("als-enterwith", [](Life& life) {
    const auto timer = [&life] {
      life.cb("timer-created-in-E1");
      life.als.enter_with("E2");
      life.cb("E2-set");
      set_timeout(1ms, [&life] { life.cb("child-of-E2"); });
    };
    const auto entered_inside = [&life] {
      life.als.enter_with("IN-RUN");
      life.cb("enterWith-in-run");
    };
    life.run([&] {
      life.cb("before");
      life.als.enter_with("E1");
      life.cb("after-enterWith");
      set_timeout(1ms, timer);
      set_timeout(30ms, [&] { life.cb("timer2-created-in-E1"); });
      life.als.run("R", entered_inside);
      life.cb("after-run");
    });
  });
}

TEST_CASE("disable forgets the store for what comes after it, not for what was started before") {
  reproduce("als-disable", [](Life& life) {
    const auto timer_that_says = [&life](const char* label, std::chrono::milliseconds delay) {
      set_timeout(delay, [&life, label] { life.cb(label); });
    };
    const auto inside = [&life, timer_that_says] {
      timer_that_says("timer-created-before-disable", 5ms);
      life.als.run("B", timer_that_says, "timer-created-before-disable-B", 15ms);
      life.als.disable();
      life.cb("after-disable");
      timer_that_says("timer-created-while-disabled", 25ms);
      life.als.run("C", [&] {
        life.cb("re-enabled-by-run");
        timer_that_says("timer-created-in-C", 35ms);
      });
      life.cb("end-of-A");
    };
    life.run([&] { life.als.run("A", inside); });
  });
}

TEST_CASE("two locals do not know of each other") {
  reproduce("als-multi", [](Life& life) {
    const AsyncLocal<std::string> other;
    const auto both = [&] {
      life.cb("both b=" + seen(other));
      life.als.exit([&] { life.cb("exit-als b=" + seen(other)); });
    };
    const auto only_other = [&] { life.cb("only-b b=" + seen(other)); };
    life.run([&] {
      life.als.run("A", [&] { other.run("B", [&] { set_timeout(1ms, both); }); });
      other.run("B2", [&] { set_timeout(20ms, only_other); });
    });
  });
}

TEST_CASE("bound functions and snapshots are resources that carry every local") {
  reproduce("als-bind-snapshot", [](Life& life) {
    const AsyncLocal<std::string> other;
    const auto in_both = [&](const char* a, const char* b, auto fn) {
      return life.als.run(a, [&] { return other.run(b, fn); });
    };
    const auto say_bound = [&](int x) {
      life.cb("bound als2=" + seen(other) + " x=" + std::to_string(x));
      return x;
    };
    const auto add = [&](int x, int y) {
      life.cb("snap als2=" + seen(other));
      return x + y;
    };
    UniqueFunction<int(int)> bound;
    std::optional<Snapshot> snapshot;
    life.run([&] {
      bound = in_both("A", "A2", [&] { return bind(say_bound); });
      snapshot = in_both("S", "S2", [] { return Snapshot::capture(); });
      in_both("C", "C2", [&] {
        life.cb("ret=" + std::to_string(bound(9)));
        const int sum = (*snapshot)(add, 1, 2);
        life.cb("snapret=" + std::to_string(sum) + " als2=" + seen(other));
      });
    });
  });
}

TEST_CASE("the default value stands where no store was set, and names are optional") {
  reproduce("als-options", [](Life& life) {
    using Local = AsyncLocal<int>;
    const auto text = [](const Local& local) {
      return local.get() == nullptr ? "undefined" : std::to_string(*local.get());
    };
    const Local unnamed;
    const Local local({.name = "n", .default_value = 5});
    const auto without = [&] { return local.exit(text, local); };
    life.run([&] {
      life.cb("default -> " + text(local) + "," + std::string(local.name()) + "," + without() +
              "," + local.run(1, without));
      life.cb("name-none -> \"" + std::string(unnamed.name()) + "\"");
      local.run(1, [&] { local.disable(); });
      life.cb("default-after-disable -> " + text(local));
      create_hook({}).enable().disable();
      life.cb("createHook-empty-enable -> object");
    });
  });
}

TEST_CASE("disable leaves alone what shares the store") {
  reproduce("als-disable-shared", [](Life& life) {
    const auto inside = [&life] {
      set_timeout(1ms, [&life] { life.cb("set-before"); });
      life.als.disable();
      set_timeout(20ms, [&life] { life.cb("set-behind"); });
    };
    life.run([&] { life.als.run("A", inside); });
  });
}

TEST_CASE("run restores, though it set the store that was set already") {
  reproduce("als-run-same-store", [](Life& life) {
    const auto inside = [&life] {
      life.als.enter_with("B");
      life.cb("inside");
    };
    life.run([&] {
      life.als.run("A", [&] {
        life.als.run("A", inside);
        life.cb("behind");
      });
    });
  });
}

TEST_CASE("run restores its own local, a snapshot and a resource restore all") {
  reproduce("als-restore-granularity", [](Life& life) {
    const AsyncLocal<std::string> other;
    std::optional<Snapshot> snapshot;
    std::optional<AsyncResource> resource;
    const auto both = [&](const char* label) {
      life.cb(std::string(label) + " other=" + seen(other));
    };
    const auto inside = [&] {
      life.als.run("B", [&] { other.enter_with("from-run"); });
      both("behind-run");
      life.als.exit([&] { other.enter_with("from-exit"); });
      both("behind-exit");
      (*snapshot)([&] {
        other.enter_with("from-snapshot");
        both("in-snapshot");
      });
      both("behind-snapshot");
      resource->run_in_async_scope([&] { other.enter_with("from-resource"); });
      both("behind-resource");
    };
    life.run([&] {
      snapshot = Snapshot::capture();
      resource.emplace("R");
      life.als.run("A", inside);
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
