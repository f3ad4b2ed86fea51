// The rules that all primitives share, for each of them.
#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/barrier.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/latch.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/once.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/run.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/sync_rules");

// Each primitive as a closed gate, made on a fiber. `enter` waits until `open` lets
// the waiters in, at once or each after the one before has called `leave`.

struct LotGate {
  ParkingLot lot;

  void enter() { lot.park(); }
  void leave() {}
  void open() { lot.unpark_all(); }
  std::size_t waiting() const { return lot.statistics().tasks_waiting; }
};

struct MutexGate {
  Mutex mutex;

  MutexGate() { mutex.lock(); }
  void enter() { mutex.lock(); }
  bool try_enter() { return mutex.try_lock(); }
  void leave() { mutex.unlock(); }
  void open() { mutex.unlock(); }
  std::size_t waiting() const { return mutex.statistics().tasks_waiting; }
};

struct SemaphoreGate {
  Semaphore semaphore{0};

  void enter() { semaphore.acquire(); }
  bool try_enter() { return semaphore.try_acquire(); }
  void leave() { semaphore.release(); }
  void open() { semaphore.release(); }
  std::size_t waiting() const { return semaphore.statistics().tasks_waiting; }
};

struct WriterGate {
  SharedMutex mutex;

  WriterGate() { mutex.lock(); }
  void enter() { mutex.lock(); }
  bool try_enter() { return mutex.try_lock(); }
  void leave() { mutex.unlock(); }
  void open() { mutex.unlock(); }
  std::size_t waiting() const { return mutex.statistics().tasks_waiting; }
};

struct ReaderGate : WriterGate {
  void enter() { mutex.lock_shared(); }
  bool try_enter() { return mutex.try_lock_shared(); }
  void leave() { mutex.unlock_shared(); }
};

struct ConditionGate {
  std::shared_ptr<Mutex> mutex = std::make_shared<Mutex>();
  ConditionVariable condition;

  void enter() {
    const auto outlives_the_wait = mutex;
    const std::scoped_lock lock(*outlives_the_wait);
    condition.wait(*outlives_the_wait);
  }
  void leave() {}
  void open() { condition.notify_all(); }
  std::size_t waiting() const { return condition.statistics().tasks_waiting; }
};

struct EventGate {
  Event event;

  void enter() { event.wait(); }
  bool try_enter() const { return event.is_set(); }
  void leave() {}
  void open() { event.set(); }
  std::size_t waiting() const { return event.statistics().tasks_waiting; }
};

struct LatchGate {
  Latch latch{1};

  void enter() { latch.wait(); }
  bool try_enter() const { return latch.try_wait(); }
  void leave() {}
  void open() { latch.count_down(); }
  std::size_t waiting() const { return latch.statistics().tasks_waiting; }
};

struct BarrierGate {
  Barrier barrier{9};

  void enter() { barrier.arrive_and_wait(); }
  void leave() {}
  void open() {
    while (waiting() > 0) barrier.arrive_and_drop();
  }
  std::size_t waiting() const { return barrier.statistics().tasks_waiting; }
};

struct OnceGate {
  Once once;
  Event may_end;

  OnceGate() {
    spawn([this] { once.call([this] { may_end.wait(); }); });
    yield();
  }
  void enter() {
    once.call([] { FAIL("it is done by another"); });
  }
  bool try_enter() {
    return once.try_call([] { FAIL("it is done by another"); });
  }
  void leave() {}
  void open() {
    may_end.set();
    yield();
  }
  std::size_t waiting() const { return once.statistics().tasks_waiting; }
};

// A Once is opened by the fiber that runs its function, and by nobody else.
#define WEFT_TEST_GATES_OF_ANYBODY                                                                \
  LotGate, MutexGate, SemaphoreGate, WriterGate, ReaderGate, ConditionGate, EventGate, LatchGate, \
      BarrierGate
#define WEFT_TEST_GATES WEFT_TEST_GATES_OF_ANYBODY, OnceGate

template <typename F>
std::string outcome(F&& fn) {
  try {
    fn();
  } catch (const Cancelled&) {
    return "cancelled";
  } catch (const UsageError& error) {
    return error.what();
  }
  return "in";
}

// Fibers that wait at a gate, in order, and what became of them.
template <typename Gate>
class Visitors {
 public:
  Visitors(Gate& gate, Trace& trace, const std::vector<std::string>& names) {
    tasks_.reserve(names.size());
    for (const std::string& name : names) {
      tasks_.push_back(spawn([&gate, &trace, name] {
        const auto say = [&](const std::string& what) { trace.push_back(name + what); };
        const std::string how = outcome([&] { gate.enter(); });
        say(" " + how);
        if (how != "in") return;
        const std::string then = outcome([] { yield(); });
        if (then != "in") say(" then " + then);
        gate.leave();
      }));
    }
    yield();
  }

  void cancel(std::size_t index) { tasks_[index].cancel(); }
  void join() {
    for (auto& task : tasks_) task.join();
  }

 private:
  std::vector<Task<void>> tasks_;
};

TEST_CASE_TEMPLATE("waiters go on in the order they came", Gate, WEFT_TEST_GATES) {
  std::optional<test::HookRecorder> hooks;
  SUBCASE("without hooks") {}
  SUBCASE("while hooks listen") {
    hooks.emplace();
  }
  Trace trace;

  test::run([&] {
    Gate gate;
    Visitors<Gate> visitors(gate, trace, {"a", "b", "c"});
    trace.push_back("opens");
    gate.open();
    visitors.join();
  });

  CHECK(trace == Trace{"opens", "a in", "b in", "c in"});
}

TEST_CASE_TEMPLATE("a cancelled waiter leaves the queue, wherever it stands", Gate,
                   WEFT_TEST_GATES) {
  std::size_t leaver = 0;
  SUBCASE("first") {
    leaver = 0;
  }
  SUBCASE("in the middle") {
    leaver = 1;
  }
  SUBCASE("last") {
    leaver = 2;
  }
  const std::vector<std::string> names{"a", "b", "c"};
  Trace expected{names[leaver] + " cancelled"};
  for (const std::string& name : names) {
    if (name != names[leaver]) expected.push_back(name + " in");
  }
  Trace trace;

  test::run([&] {
    Gate gate;
    Visitors<Gate> visitors(gate, trace, names);
    visitors.cancel(leaver);
    yield();
    gate.open();
    visitors.join();
  });

  CHECK(trace == expected);
}

TEST_CASE_TEMPLATE("who is cancelled before the wake passes it on to the next", Gate,
                   WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    Visitors<Gate> visitors(gate, trace, {"a", "b"});
    visitors.cancel(0);
    gate.open();
    visitors.join();
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"a cancelled", "b in"});
}

TEST_CASE_TEMPLATE("who is cancelled after the wake has what it waited for", Gate,
                   WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    Visitors<Gate> visitors(gate, trace, {"a", "b"});
    gate.open();
    visitors.cancel(0);
    visitors.join();
  });

  CHECK(std::count(trace.begin(), trace.end(), "a in") == 1);
  CHECK(std::count(trace.begin(), trace.end(), "a then cancelled") == 1);
  CHECK(std::count(trace.begin(), trace.end(), "b in") == 1);
}

TEST_CASE_TEMPLATE("a fiber that is cancelled already does not get in line", Gate,
                   WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    auto task = spawn([&] { trace.push_back(outcome([&] { gate.enter(); })); });
    task.cancel();
    yield();
    CHECK(gate.waiting() == 0);
    gate.open();
    task.join();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE_TEMPLATE(
    "a call that need not wait ends a cancelled fiber and refuses a callback all the same", Gate,
    WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    gate.open();
    auto task = spawn([&] { trace.push_back(outcome([&] { gate.enter(); })); });
    task.cancel();
    task.join();
    next_tick([&] { CHECK_THROWS_AS(gate.enter(), UsageError); });
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE_TEMPLATE("waiters keep their context, and know who woke them", Gate,
                   WEFT_TEST_GATES_OF_ANYBODY) {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Gate gate;
    const AsyncId main = execution_async_id();
    auto visitor = who.run("visitor", [&] {
      return spawn([&] {
        gate.enter();
        trace.push_back(seen(who) + (resumed_by() == main ? " by main" : " by another"));
        gate.leave();
      });
    });
    yield();
    who.run("porter", [&] { gate.open(); });
    visitor.join();
  });

  CHECK(trace == Trace{"visitor by main"});
}

TEST_CASE_TEMPLATE("a callback may open", Gate, WEFT_TEST_GATES_OF_ANYBODY) {
  Trace trace;

  test::run([&] {
    Gate gate;
    AsyncId callback = 0;
    auto visitor = spawn([&] {
      gate.enter();
      trace.push_back(resumed_by() == callback ? "by the callback" : "by another");
      gate.leave();
    });
    yield();
    set_immediate([&] {
      callback = execution_async_id();
      gate.open();
    });
    visitor.join();
  });

  CHECK(trace == Trace{"by the callback"});
}

TEST_CASE_TEMPLATE("statistics count the waiters", Gate, WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    CHECK(gate.waiting() == 0);
    Visitors<Gate> visitors(gate, trace, {"a", "b", "c"});
    CHECK(gate.waiting() == 3);
    visitors.cancel(1);
    CHECK(gate.waiting() == 2);
    gate.open();
    visitors.join();
    CHECK(gate.waiting() == 0);
  });
}

TEST_CASE_TEMPLATE("a callback cannot wait, and a hook neither", Gate, WEFT_TEST_GATES) {
  test::run([] {
    Gate gate;
    next_tick([&] { CHECK_THROWS_AS(gate.enter(), UsageError); });
    sleep_for(1ms);
    bool refused = false;
    auto hook = create_hook({.init = [&](AsyncId, std::string_view, AsyncId, AsyncResource&) {
      refused = outcome([&] { gate.enter(); }).find("a hook cannot wait") != std::string::npos;
    }});
    hook.enable();
    const AsyncResource seen_by_the_hook("JOB");
    hook.disable();
    CHECK(refused);
    gate.open();
  });
}

TEST_CASE_TEMPLATE("destroying it ends the waits with a UsageError", Gate,
                   WEFT_TEST_GATES_OF_ANYBODY) {
  Trace trace;

  test::run([&] {
    auto gate = std::make_unique<Gate>();
    Visitors<Gate> visitors(*gate, trace, {"a", "b"});
    gate.reset();
    visitors.join();
  });

  REQUIRE(trace.size() == 2);
  CHECK(trace[0].find("was destroyed; it must outlive its waiters") != std::string::npos);
  CHECK(trace[1].find("b ") == 0);
}

TEST_CASE_TEMPLATE("it may be destroyed as soon as nobody waits in it", Gate,
                   WEFT_TEST_GATES_OF_ANYBODY) {
  Trace trace;

  test::run([&] {
    auto gate = std::make_unique<Gate>();
    auto woken =
        spawn([&gate = *gate, &trace] { trace.push_back(outcome([&] { gate.enter(); })); });
    auto cancelled =
        spawn([&gate = *gate, &trace] { trace.push_back(outcome([&] { gate.enter(); })); });
    yield();
    cancelled.cancel();
    gate->open();
    gate.reset();
    woken.join();
    cancelled.join();
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"cancelled", "in"});
}

TEST_CASE_TEMPLATE("fibers of another loop cannot wait where one of this loop does", Gate,
                   WEFT_TEST_GATES) {
  Trace trace;

  test::run([&] {
    Gate gate;
    Visitors<Gate> visitors(gate, trace, {"a"});
    std::thread([&gate] { run([&gate] { CHECK_THROWS_AS(gate.enter(), UsageError); }); }).join();
    gate.open();
    visitors.join();
  });

  CHECK(trace == Trace{"a in"});
}

TEST_CASE_TEMPLATE("a run that is stopped ends the waits", Gate, WEFT_TEST_GATES) {
  Trace trace;

  std::optional<Gate> gate;  // until all fibers have ended

  test::run([&] {
    gate.emplace();
    const Visitors<Gate> visitors(*gate, trace, {"a", "b"});
    detail::EventLoop::current("stop").stop(nullptr);
    sleep_for(1h);
  });

  std::sort(trace.begin(), trace.end());  // the order of their ends is nobody's
  CHECK(trace == Trace{"a cancelled", "b cancelled"});
}

TEST_CASE_TEMPLATE("the non-waiting twin succeeds where nobody would wait", Gate, MutexGate,
                   SemaphoreGate, WriterGate, ReaderGate, EventGate, LatchGate, OnceGate) {
  test::run([] {
    Gate gate;
    const auto try_it = [&] {
      const bool is_in = gate.try_enter();
      if (is_in) gate.leave();
      return is_in;
    };
    CHECK_FALSE(spawn(try_it).join());
    gate.open();
    CHECK(spawn(try_it).join());
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
