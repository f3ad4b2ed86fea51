// Ids: which resource runs, what caused it, and that every type of resource lives.
#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/ctx/resource_type.h>
#include <weft/ctx/snapshot.h>
#include <weft/io/directory.h>
#include <weft/io/pipe.h>
#include <weft/io/tty.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/semantics/kinds.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/pty.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::HookRecorder;
using test::Kind;
using test::kKinds;
using test::Pty;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

// What init told of each resource.
class Births {
 public:
  struct Birth {
    std::string type;
    AsyncId trigger = 0;
    AsyncResource* resource = nullptr;
  };

  Births()
      : hook_(create_hook({.init = [this](AsyncId id, std::string_view type, AsyncId trigger,
                                          AsyncResource& resource) {
          in_order_ = in_order_ && id > last_;
          last_ = id;
          of_[id] = {std::string(type), trigger, &resource};
        }})) {
    hook_.enable();
  }

  const Birth& of(AsyncId id) { return of_[id]; }
  std::set<std::string> types() const {
    std::set<std::string> types;
    for (const auto& [id, birth] : of_) types.insert(birth.type);
    return types;
  }
  bool are_in_order() const noexcept { return in_order_; }

 private:
  std::map<AsyncId, Birth> of_;
  AsyncId last_ = 0;
  bool in_order_ = true;
  AsyncHook hook_;
};

// What the running code can ask, compared with what init told.
std::string described(Births& births) {
  const Births::Birth& running = births.of(execution_async_id());
  const bool is_resource = execution_async_resource() == running.resource;
  const bool is_trigger = trigger_async_id() == running.trigger;
  return running.type + " of " + births.of(running.trigger).type +
         (is_resource ? "" : ", another resource") + (is_trigger ? "" : ", another trigger");
}

TEST_SUITE_BEGIN("conformance/semantics/ids");

TEST_CASE("every kind of callback runs as the resource init showed, with its trigger") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    Births births;
    Trace trace;

    test::run([&] { kind.start([&] { trace.push_back(described(births)); }); });

    CHECK(trace == Trace{std::string(kind.type) + " of " + std::string(kind.trigger_type)});
  }
}

TEST_CASE("before and after of every kind run as the resource of the event") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    Births births;
    int events = 0;
    int wrong = 0;
    const auto look = [&](AsyncId id) {
      const AsyncResource* const running = execution_async_resource();
      ++events;
      wrong += id != execution_async_id() || running == nullptr || running->async_id() != id ||
               running != births.of(id).resource;
    };
    auto hook = create_hook({.before = look, .after = look});
    hook.enable();

    test::run([&] { kind.start([] {}); });

    CHECK(events >= 4);  // of main and of what it started
    CHECK(wrong == 0);
  }
}

TEST_CASE("the main fiber has no trigger, and outside of a run there is no id") {
  std::vector<AsyncId> ids{execution_async_id(), trigger_async_id()};

  test::run([&] {
    ids.push_back(execution_async_id() & 0xffff'ffff'ffff);
    ids.push_back(trigger_async_id());
  });
  ids.push_back(execution_async_id());

  CHECK(ids == std::vector<AsyncId>{0, 0, 1, 0, 0});
}

TEST_CASE("ids grow in the order of the inits, whatever is made") {
  Births births;

  test::run([] {
    for (const Kind& kind : kKinds) kind.start([] {});
  });

  CHECK(births.are_in_order());
}

TEST_CASE("siblings share a trigger, and the children of a callback have it as theirs") {
  HookRecorder recorder;

  test::run([&] {
    recorder.take();
    set_immediate([] {
      next_tick([] {});
      next_tick([] { set_timeout(1ms, [] { set_timeout(1ms, [] {}); }); });
    });
  });
  Trace inits = recorder.take();
  std::erase_if(inits, [](const std::string& line) { return line.rfind("init", 0) != 0; });

  CHECK(inits == Trace{"init Immediate 2 1", "init TickObject 3 2", "init TickObject 4 2",
                       "init Timeout 5 4", "init Timeout 6 5"});
}

TEST_CASE("the trigger of what an interval's callback makes is the interval, every time") {
  HookRecorder recorder({.hidden_types = {"FIBER"}});

  test::run([&] {
    int left = 2;
    Timeout outer;
    outer = set_interval(1ms, [&] {
      next_tick([] {});
      if (--left == 0) outer.clear();
    });
    sleep_for(5ms);
  });
  Trace inits = recorder.take();
  std::erase_if(inits,
                [](const std::string& line) { return line.rfind("init TickObject", 0) != 0; });

  CHECK(inits == Trace{"init TickObject 4 2", "init TickObject 5 2"});
}

TEST_CASE("a fiber has one id and one trigger for life, where each await of Node has its own") {
  Births births;
  Trace trace;

  test::run([&] {
    set_immediate([&] {
      spawn([&] {
        trace.push_back(described(births));
        sleep_for(1ms);
        trace.push_back(described(births));
        spawn([] {}).join();
        trace.push_back(described(births));
      });
    });
  });

  CHECK(trace == Trace{"FIBER of Immediate", "FIBER of Immediate", "FIBER of Immediate"});
}

// Of which kinds.h has no row.
void start_other_kinds() {
  const TempDir dir;
  auto listener = io::PipeListener::bind(dir.path("socket"));
  io::PipeStream::connect(dir.path("socket"));
  io::Directory::open(dir.path()).close();
  const Pty pty;
  io::Tty::open(pty.terminal());
  const AsyncResource file_as_stream("FILEHANDLE");  // standard input's, which tests have not
}

TEST_CASE("every type that resource_types lists can be made, and no other is") {
  Births births;
  const auto listed = resource_types();

  test::run([] {
    for (const Kind& kind : kKinds) kind.start([] {});
    bind([] {})();
    start_other_kinds();
  });
  std::set<std::string> made = births.types();
  made.erase("JOB");  // the tests' own

  CHECK(made == std::set<std::string>(listed.begin(), listed.end()));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
