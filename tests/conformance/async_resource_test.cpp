#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/io/fs.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/async_resource");

constexpr AsyncResourceOptions kManual{.manual_destroy = true};

TEST_CASE("a resource of your own runs code in the store of its making") {
  reproduce("asyncresource", [](Life& life) {
    std::optional<AsyncResource> resource;
    const auto inside = [&life](const std::string& x, const std::string& y) {
      life.cb("in-scope args=" + x + y);
      return 42;
    };
    life.run([&] {
      life.als.run("A", [&] { resource.emplace("MYRES"); });
      life.cb("outside");
      life.als.run("B", [&] {
        life.cb("ret=" + std::to_string(resource->run_in_async_scope(inside, "x", "y")));
      });
      resource->emit_destroy();
      set_immediate([&] { life.cb("later"); });
    });
  });
}

TEST_CASE("a bound function enters its resource at each call") {
  reproduce("asyncresource-bind", [](Life& life) {
    std::optional<AsyncResource> named;
    std::optional<AsyncResource> typed;
    std::optional<AsyncResource> anonymous;
    std::optional<AsyncResource> resource;
    const auto twice = [&life](int x) {
      life.cb("bound-static x=" + std::to_string(x));
      return x * 2;
    };
    const auto call_all = [&] {
      auto first = named->bind(twice);
      life.cb("ret=" + std::to_string(first(21)));
      typed->bind([&] { life.cb("bound-anon"); })();
      anonymous->bind([] {})();
      resource->bind([&] { life.cb("bound-instance"); })();
      first(1);
    };
    life.run([&] {
      life.als.run("A", [&] { named.emplace("named"); });
      life.als.run("A2", [&] { typed.emplace("TYPED"); });
      life.als.run("A3", [&] { anonymous.emplace("bound-anonymous-fn"); });
      life.als.run("B", [&] { resource.emplace("R"); });
      life.als.run("C", call_all);
    });
  });
}

TEST_CASE("a destroy emitted twice is told twice, and no third time by the owner's end") {
  reproduce("asyncresource-destroy-twice", [](Life& life) {
    life.run([&] {
      AsyncResource resource("R");
      resource.emit_destroy().emit_destroy();
      life.cb("no-throw");
    });
  });
}

TEST_CASE("dropping a resource ends its life, unless that is manual or has happened") {
  reproduce("asyncresource-gc", [](Life& life) {
    const auto drop = [] {
      const AsyncResource manual("MANUAL", kManual);
      AsyncResource("EMITTED").emit_destroy();
    };
    life.run([&] {
      { const AsyncResource dropped("AUTO"); }
      drop();
      set_immediate([&] {
        life.cb("after-gc");
        set_immediate([&] { life.cb("next"); });
      });
    });
  });
}

TEST_CASE("an exception leaves a resource behind its after") {
  reproduce("asyncresource-throw", [](Life& life) {
    std::optional<AsyncResource> resource;
    const auto fail = [&life] {
      life.cb("in");
      throw std::runtime_error("x");
    };
    const auto call = [&] {
      CHECK_THROWS_AS(resource->run_in_async_scope(fail), std::runtime_error);
      life.cb("caught");
    };
    life.run([&] {
      life.als.run("A", [&] { resource.emplace("R", kManual); });
      life.als.run("B", call);
    });
  });
}

TEST_CASE("the running resource is the one whose callback runs") {
  reproduce("exec-resource", [](Life& life) {
    std::optional<AsyncResource> own;
    Timeout timeout;
    Immediate immediate;
    const auto note = [&life](const char* what, bool is_running) {
      life.cb(std::string(what) + (is_running ? "=true" : "=false"));
    };
    const auto now = [] { return execution_async_resource(); };
    const auto on_immediate = [&] {
      note("immediate", now()->async_id() == immediate.async_id());
      io::stat("/", [&](const Result<io::FileStat>&) {
        note("stat", now()->type() == "FSREQCALLBACK");
      });
    };
    const auto on_timeout = [&] {
      note("timeout", now()->async_id() == timeout.async_id());
      immediate = set_immediate(on_immediate);
    };
    life.run([&] {
      const AsyncResource* const main = now();
      own.emplace("OWN", kManual);
      own->run_in_async_scope([&] { note("own", now() == &*own); });
      note("main", now() == main);
      timeout = set_timeout(1ms, on_timeout);
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
