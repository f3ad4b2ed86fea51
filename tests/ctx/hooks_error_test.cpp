// Hooks that throw: the process ends as Node's does, or the hook is disabled.
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/support/hook_recorder.h>

namespace weft {
namespace {

using test::ContextTest;
using test::Trace;

struct ChildEnd {
  int status = -1;  // of exit; -1 when a signal ended it
  std::string errors;
};

// Runs `body` in a child process and returns how that ended.
template <typename F>
ChildEnd run_in_child(F&& body) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  std::fflush(nullptr);  // or the child would write again what waits here
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    try {
      body();
    } catch (...) {
      std::_Exit(3);  // or the child would go on with the tests of its parent
    }
    std::_Exit(0);
  }
  close(ends[1]);
  ChildEnd end;
  std::array<char, 256> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    end.errors.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) end.status = WEXITSTATUS(status);
  return end;
}

void live_once() {
  {
    AsyncResource job("JOB");
    job.run_in_async_scope([&] { detail::emit_promise_resolve(job.async_id()); });
  }
  detail::drain_destroys();
}

// One event fails: another one in each subcase.
HookCallbacks failing_callbacks() {
  HookCallbacks callbacks;
  const auto fail = [](AsyncId) { throw std::runtime_error("hook failed"); };
  SUBCASE("init") {
    callbacks.init = [fail](AsyncId id, std::string_view, AsyncId, AsyncResource&) { fail(id); };
  }
  SUBCASE("before") {
    callbacks.before = fail;
  }
  SUBCASE("after") {
    callbacks.after = fail;
  }
  SUBCASE("destroy") {
    callbacks.destroy = fail;
  }
  SUBCASE("promise_resolve") {
    callbacks.promise_resolve = fail;
  }
  return callbacks;
}

// Where hooks that throw are disabled while it lives.
struct DisablingPolicy {
  DisablingPolicy() { detail::HookTable::of_this_thread().set_error_policy(HookErrors::kDisable); }
  DisablingPolicy(const DisablingPolicy&) = delete;
  DisablingPolicy& operator=(const DisablingPolicy&) = delete;
  ~DisablingPolicy() { detail::HookTable::of_this_thread().set_error_policy(HookErrors::kExit); }
};

TEST_SUITE_BEGIN("ctx/hooks_error");

TEST_CASE_FIXTURE(ContextTest,
                  "a hook that throws ends the process with status 1 and its message") {
  auto hook = create_hook(failing_callbacks());

  const ChildEnd end = run_in_child([&] {
    hook.enable();
    try {
      live_once();
    } catch (...) {
      std::_Exit(2);  // user code cannot see it
    }
  });

  CHECK(end.status == 1);
  CHECK(end.errors ==
        "Error: hook failed (std::runtime_error)\n"
        "    thrown by an async hook; the process ends with status 1\n");
}

TEST_CASE_FIXTURE(ContextTest, "what is no exception object ends the process in the same way") {
  UniqueFunction<void(AsyncId)> fail;
  std::string expected;
  SUBCASE("an int") {
    fail = [](AsyncId) { throw 7; };
    expected = "Error: an exception of type int";
  }
  SUBCASE("a text") {
    fail = [](AsyncId) { throw "text"; };
    expected = "Error: 'text'";
  }
  SUBCASE("a null pointer") {
    fail = [](AsyncId) { throw nullptr; };
    expected = "Error: a null pointer";
  }
  auto hook = create_hook({.before = std::move(fail)});

  const ChildEnd end = run_in_child([&] {
    hook.enable();
    live_once();
  });

  CHECK(end.status == 1);
  CHECK(end.errors.substr(0, end.errors.find('\n')) == expected);
}

TEST_CASE_FIXTURE(ContextTest, "no hook runs after the one that ended the process") {
  auto failing = create_hook({.before = [](AsyncId) { throw std::runtime_error("first"); }});
  auto next = create_hook({.before = [](AsyncId) { std::_Exit(2); }});

  const ChildEnd end = run_in_child([&] {
    failing.enable();
    next.enable();
    live_once();
  });

  CHECK(end.status == 1);
}

TEST_CASE_FIXTURE(ContextTest,
                  "under the other policy a hook that throws is reported and disabled") {
  const auto body = [] {
    const DisablingPolicy policy;
    int calls = 0;
    auto hook = create_hook({.before = [&](AsyncId) {
      ++calls;
      throw std::runtime_error("hook failed");
    }});
    hook.enable();
    live_once();
    live_once();
    std::_Exit(40 + calls);
  };

  const ChildEnd end = run_in_child(body);

  CHECK(end.status == 41);
  CHECK(end.errors == "weft: a hook failed and is disabled: hook failed (std::runtime_error)\n");
}

TEST_CASE_FIXTURE(ContextTest, "the hooks beside one that is disabled for throwing go on") {
  const DisablingPolicy policy;
  Trace trace;
  auto before = create_hook({.before = [&](AsyncId) { trace.push_back("first"); }});
  auto failing = create_hook({.before = [&](AsyncId) {
    trace.push_back("failing");
    throw 7;
  }});
  auto after = create_hook({.before = [&](AsyncId) { trace.push_back("last"); }});
  before.enable();
  failing.enable();
  after.enable();

  live_once();
  live_once();

  CHECK(trace == Trace{"first", "failing", "last", "first", "last"});
}

TEST_CASE_FIXTURE(ContextTest, "a hook disabled for throwing can be enabled again") {
  const DisablingPolicy policy;
  int calls = 0;
  auto hook = create_hook({.before = [&](AsyncId) {
    if (++calls == 1) throw 7;
  }});
  hook.enable();
  live_once();

  hook.enable();
  live_once();

  CHECK(calls == 2);
}

TEST_CASE_FIXTURE(ContextTest, "a hook that throws a null pointer leaves no emission open") {
  const DisablingPolicy policy;
  auto hook = create_hook({.before = [](AsyncId) { throw nullptr; }});
  hook.enable();

  CHECK_NOTHROW(live_once());

  CHECK(detail::thread_state.hooks_running == 0);
  CHECK(detail::thread_state.hook_mask == 0);
}

// Not for a program in which libuv's pool has begun: at exit() libuv joins the pool's threads,
// which a forked child does not have.
TEST_CASE_FIXTURE(ContextTest, "a static hook is dropped cleanly when the process ends") {
  const ChildEnd end = run_in_child([] {
    static AsyncHook hook = create_hook({.before = [](AsyncId) {}});
    hook.enable();
    std::exit(0);
  });

  CHECK(end.status == 0);
  CHECK(end.errors.empty());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
