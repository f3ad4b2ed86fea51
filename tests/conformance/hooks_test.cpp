#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/hooks");

constexpr AsyncResourceOptions kManual{.manual_destroy = true};

// The main fiber's events are its own; Node's main script has none.
bool is_main(AsyncId id) {
  return (id & 0x0000'ffff'ffff'ffff) == 1;
}

// Says what it hears.
HookCallbacks saying(Life& life, const std::string& who) {
  const auto say = [&life, who](const char* what) {
    return [&life, text = "  [" + who + " " + what + "]"](AsyncId id) {
      if (!is_main(id)) life.line(text);
    };
  };
  const auto say_init = [&life, who](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
    life.line("  [" + who + " init " + std::string(type) + "]");
  };
  return {
      .init = say_init, .before = say("before"), .after = say("after"), .destroy = say("destroy")};
}

TEST_CASE("a hook that disables itself in before hears nothing more, not even the after") {
  reproduce("hooks-disable-in-before", [](Life& life) {
    std::optional<AsyncHook> hook;
    HookCallbacks callbacks = saying(life, "h");
    callbacks.before = [&hook, said = std::move(callbacks.before)](AsyncId id) mutable {
      said(id);
      hook->disable();
    };
    hook = create_hook(std::move(callbacks));
    life.run([&] {
      hook->enable();
      set_timeout(1ms, [&] { life.cb("t1"); });
      set_timeout(20ms, [&] { life.cb("t2"); });
    });
  });
}

TEST_CASE("a hook enabled inside an init hears the next event, not the current one") {
  reproduce("hooks-enable-in-init", [](Life& life) {
    AsyncHook second = create_hook(saying(life, "h2"));
    std::optional<AsyncHook> first;
    first = create_hook({
        .init =
            [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
              life.line("  [h1 init " + std::string(type) + "]");
              second.enable();
              first->disable();
            },
        .before = [&](AsyncId) { life.line("  [h1 before]"); },
    });
    life.run([&] {
      first->enable();
      set_timeout(5ms, [&] {
        life.cb("t1");
        set_timeout(1ms, [&] { life.cb("t2"); });
      });
      next_tick([&] { life.cb("tick"); });
    });
  });
}

TEST_CASE("hooks are called in the order they were enabled, for each event") {
  reproduce("hooks-order-multi", [](Life& life) {
    AsyncHook first = create_hook(saying(life, "h1"));
    AsyncHook second = create_hook(saying(life, "h2"));
    life.run([&] {
      first.enable();
      second.enable();
      set_timeout(1ms, [&] { life.cb("timer"); });
    });
  });
}

TEST_CASE("a hook enabled inside a callback hears its after, and all of what is left") {
  reproduce("hooks-enable-midflight", [](Life& life) {
    AsyncHook late = create_hook(saying(life, "late"));
    life.run([&] {
      set_timeout(5ms, [&] {
        life.cb("first");
        late.enable();
      });
      set_timeout(20ms, [&] { life.cb("second"); });
    });
  });
}

TEST_CASE("init sees the maker's store, before and after the resource's, destroy none") {
  reproduce("hooks-see-store", [](Life& life) {
    const auto say = [&life](const char* what) {
      return [&life, what](AsyncId id) {
        if (!is_main(id)) life.line(std::string("  [") + what + " store=" + life.store() + "]");
      };
    };
    AsyncHook hook =
        create_hook({.init = [said = say("init")](AsyncId id, std::string_view, AsyncId,
                                                  AsyncResource&) { said(id); },
                     .before = say("before"),
                     .after = say("after"),
                     .destroy = say("destroy")});
    std::optional<AsyncResource> resource;
    const auto call = [&] {
      life.als.enter_with("C");
      resource->run_in_async_scope([&] { life.cb("resource"); });
      resource->emit_destroy();
    };
    life.run([&] {
      hook.enable();
      life.als.run("A", [&] { resource.emplace("R", kManual); });
      life.als.run("B", [&] { set_timeout(1ms, call); });
    });
  });
}

TEST_CASE("what a destroy hook makes and destroys is told in the same go") {
  reproduce("hooks-destroy-creates", [](Life& life) {
    int made = 0;
    AsyncHook hook = create_hook({.destroy = [&](AsyncId id) {
      if (is_main(id)) return;
      life.line("  [destroy exec=" + std::to_string(execution_async_id()) + "]");
      if (++made < 3) AsyncResource("MADE").emit_destroy();
    }});
    life.run([&] {
      hook.enable();
      AsyncResource("R").emit_destroy();
      set_immediate([&] {
        life.cb("immediate");
        hook.disable();
      });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
