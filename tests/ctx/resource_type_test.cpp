#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/error.h>
#include <weft/ctx/resource_type.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

static_assert(!std::is_constructible_v<ResourceType, char (&)[4]>);
static_assert(!std::is_constructible_v<ResourceType, const std::string&>);
static_assert(!std::is_constructible_v<ResourceType, const char*>);

TEST_SUITE_BEGIN("ctx/resource_type");

TEST_CASE("a type made from a literal is its text") {
  constexpr ResourceType kType = "DBQUERY";

  CHECK(kType.name() == "DBQUERY");
  CHECK(std::strcmp(kType.c_str(), "DBQUERY") == 0);
}

TEST_CASE("an interned type outlives the text it was made from") {
  std::string text = "computed";

  const ResourceType type = ResourceType::intern(text);
  text = "changed!";

  CHECK(type.name() == "computed");
}

TEST_CASE("the same name is interned once") {
  const ResourceType first = ResourceType::intern("same");

  for (int i = 0; i < 1000; ++i) ResourceType::intern("other " + std::to_string(i));
  const ResourceType second = ResourceType::intern("same");

  CHECK(first.c_str() == second.c_str());
}

TEST_CASE("a type without a name is refused") {
  CHECK_THROWS_AS(ResourceType::intern(""), UsageError);
}

TEST_CASE("threads may intern at the same time") {
  std::vector<const char*> names(4);
  std::vector<std::thread> threads;

  for (const char*& name : names) {
    threads.emplace_back([&name] {
      for (int i = 0; i < 100; ++i) ResourceType::intern("shared " + std::to_string(i));
      name = ResourceType::intern("shared 50").c_str();
    });
  }
  for (std::thread& thread : threads) thread.join();

  CHECK(std::set<const char*>(names.begin(), names.end()).size() == 1);
}

TEST_CASE_FIXTURE(test::ContextTest, "hooks see the name of an interned type") {
  test::HookRecorder recorder;

  const AsyncResource job(ResourceType::intern(std::string("KIND") + "-7"));

  CHECK(recorder.trace() == test::Trace{"init KIND-7 2 1"});
}

TEST_CASE("the list of weft's own types has Node's names and ours, each once") {
  const auto types = resource_types();

  for (const std::string_view name : {"FIBER", "Timeout", "Immediate", "TickObject", "TCPWRAP",
                                      "TCPSERVERWRAP", "WRITEWRAP", "bound-anonymous-fn"}) {
    CAPTURE(name);
    CHECK(std::count(types.begin(), types.end(), name) == 1);
  }
  CHECK(std::set<std::string_view>(types.begin(), types.end()).size() == types.size());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
