#include <functional>
#include <string>

#include <doctest/doctest.h>

#include <weft/tests/property/life_checker.h>

namespace weft::property {
namespace {

TEST_SUITE_BEGIN("property/life_checker");

// A run of a hook that ends well.
void live(LifeChecker& checker) {
  checker.on_init(1, "FIBER", 0);
  checker.on_before(1, 1);
  checker.on_init(2, "Timeout", 1);
  checker.on_resolve(1);
  checker.on_after(1, 1);
  checker.on_before(2, 2);
  checker.on_after(2, 2);
  checker.on_destroy(1, 0);
  checker.on_destroy(2, 0);
}

std::string found(LifeChecker::Sees sees, const std::function<void(LifeChecker&)>& events) {
  Findings findings;
  LifeChecker checker(findings, sees);
  events(checker);
  checker.finish_loop();
  checker.finish();
  return findings.is_empty() ? "nothing" : findings.texts().front();
}

TEST_CASE("a life in order is no finding") {
  CHECK(found(LifeChecker::Sees::kAll, live) == "nothing");
}

struct Broken {
  const char* finding;
  void (*events)(LifeChecker& checker);
};

const Broken kBroken[] = {
    {"hook: the first is not main, id 2", [](LifeChecker& c) { c.on_init(2, "Timeout", 0); }},
    {"hook: ids do not grow, id 2", [](LifeChecker& c) { live(c), c.on_init(2, "Timeout", 1); }},
    {"hook: its trigger is unknown, id 3", [](LifeChecker& c) { live(c), c.on_init(3, "X", 7); }},
    {"hook: before without init, id 9", [](LifeChecker& c) { live(c), c.on_before(9, 9); }},
    {"hook: before after destroy, id 2", [](LifeChecker& c) { live(c), c.on_before(2, 2); }},
    {"hook: destroy after destroy, id 2", [](LifeChecker& c) { live(c), c.on_destroy(2, 0); }},
    {"hook: another resource runs in before, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "X", 1), c.on_before(3, 1); }},
    {"hook: after does not close the innermost before, id 3",
     [](LifeChecker& c) {
       live(c), c.on_init(3, "X", 1), c.on_init(4, "X", 1);
       c.on_before(3, 3), c.on_before(4, 4), c.on_after(3, 3);
     }},
    {"hook: before without after, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "X", 1), c.on_before(3, 3), c.on_destroy(3, 0); }},
    {"hook: promise_resolve of what is neither fiber nor promise, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "X", 1), c.on_resolve(3); }},
    {"hook: a fiber without a result, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "FIBER", 1), c.on_destroy(3, 0); }},
    {"hook: destroy inside of a resource, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "X", 1), c.on_destroy(3, 2); }},
    {"hook: no destroy by the loop's end, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "X", 1); }},
    {"hook: init without destroy, id 3",
     [](LifeChecker& c) { live(c), c.on_init(3, "PROPERTY", 1); }},
};

TEST_CASE("a life out of order is a finding") {
  for (const Broken& broken : kBroken) {
    CHECK(found(LifeChecker::Sees::kAll, broken.events) == broken.finding);
  }
}

TEST_CASE("a hook that sees parts allows what may have happened while it was off") {
  const auto parts = [](LifeChecker& c) {
    c.on_after(5, 5);
    c.on_before(6, 6);
    c.on_init(8, "X", 7);
    c.on_destroy(4, 0);
  };

  CHECK(found(LifeChecker::Sees::kParts, parts) == "nothing");
}

}  // namespace
}  // namespace weft::property
