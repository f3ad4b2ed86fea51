#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/error.h>
#include <weft/ctx/event_emitter.h>
#include <weft/ctx/snapshot.h>
#include <weft/runtime/barrier.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/condition_variable.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/latch.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/once.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/queue.h>
#include <weft/runtime/run.h>
#include <weft/runtime/select.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/other_loop");

const auto ignore = [](auto&&...) {};
const auto ignore_value = [](int) {};

// Calls `fn` on a fiber of another thread's loop, while this one stands still.
void elsewhere(const std::function<void()>& fn) {
  std::thread([&fn] { run([&fn] { fn(); }); }).join();
}

struct Ping : EventType<> {};

// A call of an object of this thread's loop, with its name.
struct Row {
  const char* call;
  std::function<void()> make;
};

// One of each that belongs to a loop; nobody waits at any.
struct Objects {
  Channel<int> channel{1};
  Queue<int> queue{1};
  Mutex mutex;
  Mutex locked;
  SharedMutex shared_mutex;
  ConditionVariable condition;
  Semaphore semaphore{1};
  Event event;
  Latch latch{1};
  Barrier barrier{1};
  Once once;
  ParkingLot lot;
  CancelScope scope;
  Promise<int> promise;
  Future<int> future = promise.future();
  Timeout timeout = set_timeout(1h, [] {});
  Immediate immediate = set_immediate([] {});
  AsyncResource resource{"MINE"};
  Snapshot snapshot = Snapshot::capture();
  EventEmitter<Ping> emitter;
  EventEmitterAsyncResource<Ping> emitting_resource{"EMITTER"};
  Task<void> task = spawn([] {});

  ~Objects() { timeout.clear(); }
};

std::vector<Row> throwing_calls(Objects& of) {
  return {
      {"Channel::send", [&] { of.channel.send(1); }},
      {"Channel::try_send", [&] { of.channel.try_send(1); }},
      {"Channel::receive", [&] { of.channel.receive(); }},
      {"Channel::try_receive", [&] { of.channel.try_receive(); }},
      {"Channel::close", [&] { of.channel.close(); }},
      {"on_send", [&] { select(on_send(of.channel, 1, ignore)); }},
      {"on_receive", [&] { select(on_receive(of.channel, ignore), otherwise(ignore)); }},
      {"Queue::pop", [&] { of.queue.pop(); }},
      {"Queue::try_pop", [&] { of.queue.try_pop(); }},
      {"Mutex::lock", [&] { of.mutex.lock(); }},
      {"Mutex::try_lock", [&] { static_cast<void>(of.mutex.try_lock()); }},
      {"Mutex::unlock", [&] { of.locked.unlock(); }},
      {"SharedMutex::lock", [&] { of.shared_mutex.lock(); }},
      {"SharedMutex::try_lock", [&] { static_cast<void>(of.shared_mutex.try_lock()); }},
      {"SharedMutex::unlock", [&] { of.shared_mutex.unlock(); }},
      {"SharedMutex::lock_shared", [&] { of.shared_mutex.lock_shared(); }},
      {"SharedMutex::try_lock_shared",
       [&] { static_cast<void>(of.shared_mutex.try_lock_shared()); }},
      {"SharedMutex::unlock_shared", [&] { of.shared_mutex.unlock_shared(); }},
      {"ConditionVariable::wait", [&] { of.condition.wait(of.locked); }},
      {"ConditionVariable::notify_one", [&] { of.condition.notify_one(); }},
      {"ConditionVariable::notify_all", [&] { of.condition.notify_all(); }},
      {"Semaphore::acquire", [&] { of.semaphore.acquire(); }},
      {"Semaphore::release", [&] { of.semaphore.release(); }},
      {"Event::wait", [&] { of.event.wait(); }},
      {"Event::set", [&] { of.event.set(); }},
      {"Latch::count_down", [&] { of.latch.count_down(); }},
      {"Latch::wait", [&] { of.latch.wait(); }},
      {"Barrier::arrive_and_wait", [&] { of.barrier.arrive_and_wait(); }},
      {"Barrier::arrive_and_drop", [&] { of.barrier.arrive_and_drop(); }},
      {"Once::call", [&] { of.once.call([] {}); }},
      {"Once::try_call", [&] { static_cast<void>(of.once.try_call([] {})); }},
      {"ParkingLot::park", [&] { of.lot.park(); }},
      {"ParkingLot::unpark", [&] { of.lot.unpark(1); }},
      {"CancelScope::run", [&] { of.scope.run([] {}); }},
      {"Promise::resolve", [&] { of.promise.resolve(1); }},
      {"Promise::reject", [&] { of.promise.reject(std::runtime_error("no")); }},
      {"Future::then", [&] { of.future.then(ignore_value); }},
      {"Future::await", [&] { of.future.await(); }},
      {"Task::join", [&] { of.task.join(); }},
      {"Timeout::refresh", [&] { of.timeout.refresh(); }},
      {"AsyncResource::run_in_async_scope", [&] { of.resource.run_in_async_scope(ignore); }},
      {"AsyncResource::bind", [&] { of.resource.bind(ignore)(); }},
      {"AsyncResource::emit_destroy", [&] { of.resource.emit_destroy(); }},
      {"AsyncResource::async_reset", [&] { of.resource.async_reset(); }},
      {"Snapshot", [&] { of.snapshot(ignore); }},
      {"EventEmitter::on", [&] { of.emitter.on<Ping>([] {}); }},
      {"EventEmitter::off", [&] { of.emitter.off(ListenerId{1}); }},
      {"EventEmitter::emit", [&] { of.emitter.emit<Ping>(); }},
      {"EventEmitter::remove_all", [&] { of.emitter.remove_all(); }},
      {"EventEmitterAsyncResource::emit", [&] { of.emitting_resource.emit<Ping>(); }},
  };
}

// What may not throw.
std::vector<Row> fatal_calls(Objects& of) {
  return {
      {"Semaphore::try_acquire", [&] { static_cast<void>(of.semaphore.try_acquire()); }},
      {"Event::clear", [&] { of.event.clear(); }},
      {"CancelScope::cancel", [&] { of.scope.cancel(); }},
      {"CancelScope::set_deadline", [&] { of.scope.set_deadline({}); }},
      {"CancelScope::set_shield", [&] { of.scope.set_shield(true); }},
      {"Task::cancel", [&] { of.task.cancel(); }},
      {"Task::detach", [&] { of.task.detach(); }},
      {"Timeout::clear", [&] { of.timeout.clear(); }},
      {"Timeout::ref", [&] { of.timeout.unref(); }},
      {"~Timeout", [&] { of.timeout = {}; }},
      {"Immediate::clear", [&] { of.immediate.clear(); }},
      {"Immediate::ref", [&] { of.immediate.unref(); }},
      {"AsyncResource::retire", [&] { of.resource.retire(); }},
      {"~AsyncResource", [&] { const Snapshot dropped = std::move(of.snapshot); }},
  };
}

TEST_CASE("where a fiber of one loop waits to receive no other loop sends, receives or closes") {
  std::optional<int> received;

  test::run([&] {
    Channel<int> channel(0);
    auto receiver = spawn([&] { received = channel.receive(); });
    yield();
    elsewhere([&] {
      CHECK_THROWS_AS(channel.send(1), UsageError);
      CHECK_THROWS_AS(channel.try_send(1), UsageError);
      CHECK_THROWS_AS(channel.receive(), UsageError);
      CHECK_THROWS_AS(channel.close(), UsageError);
      CHECK_THROWS_AS(select(on_send(channel, 1, ignore)), UsageError);
      CHECK_THROWS_AS(select(on_receive(channel, ignore)), UsageError);
    });
    channel.send(2);
    receiver.join();
  });

  CHECK(received == 2);
}

TEST_CASE("where a fiber of one loop waits to send no other loop receives, sends or closes") {
  test::run([] {
    Channel<int> channel(0);
    auto sender = spawn([&] { channel.send(1); });
    yield();
    elsewhere([&] {
      CHECK_THROWS_WITH_AS(channel.receive(),
                           "channel receive: it belongs to another thread's loop, or to another "
                           "thread; use Loop::post to get there",
                           UsageError);
      CHECK_THROWS_AS(channel.try_receive(), UsageError);
      CHECK_THROWS_AS(channel.send(2), UsageError);
      CHECK_THROWS_AS(channel.close(), UsageError);
      CHECK_THROWS_AS(select(on_receive(channel, ignore)), UsageError);
    });
    CHECK(channel.receive() == 1);
    sender.join();
  });
}

TEST_CASE("a queue gives its values to its own loop only, also after that has ended") {
  std::optional<Queue<int>> queue;
  const auto pops_nothing = [&] {
    CHECK_THROWS_AS(queue->pop(), UsageError);
    CHECK_THROWS_AS(queue->try_pop(), UsageError);
    CHECK_THROWS_AS(select(on_pop(*queue, ignore)), UsageError);
  };

  test::run([&] {
    queue.emplace(1);
    queue->producer().try_push(1);
    elsewhere(pops_nothing);
    CHECK_FALSE(queue->statistics().size == 0);
  });
  test::run(pops_nothing);
}

TEST_CASE("a task is joined on its own loop") {
  test::run([] {
    auto runs = spawn([] { yield(); });
    auto ended = spawn([] { return 1; });
    yield();
    elsewhere([&] {
      CHECK_THROWS_AS(runs.join(), UsageError);
      CHECK_THROWS_AS(ended.join(), UsageError);
    });
    runs.join();
    CHECK(ended.join() == 1);
  });
}

TEST_CASE("what belongs to one loop refuses another one's calls, and is as before") {
  test::run([&] {
    Objects objects;
    objects.locked.lock();
    elsewhere([&] {
      for (const Row& row : throwing_calls(objects)) {
        INFO(row.call);
        try {
          row.make();
          FAIL_CHECK("it was accepted");
        } catch (const UsageError& error) {
          CHECK(std::string(error.what()).find("Loop::post") != std::string::npos);
        }
      }
    });
    CHECK(objects.channel.size() == 0);
    CHECK_FALSE(objects.channel.is_closed());
    CHECK_FALSE(objects.mutex.statistics().locked);
    CHECK(objects.locked.statistics().locked);
    CHECK(objects.semaphore.statistics().permits == 1);
    CHECK_FALSE(objects.event.is_set());
    CHECK(objects.latch.statistics().count == 1);
    CHECK(objects.barrier.statistics().parties == 1);
    CHECK_FALSE(objects.once.is_done());
    CHECK_FALSE(objects.future.is_settled());
    CHECK(objects.emitter.listener_count<Ping>() == 0);
    CHECK(objects.scope.run([] {}));
    objects.locked.unlock();
    objects.task.join();
    objects.promise.resolve(1);
  });
}

TEST_CASE("what may not throw ends the process, and says where to go") {
  std::size_t calls = 0;
  test::run([&] {
    Objects objects;
    calls = fatal_calls(objects).size();
  });
  for (std::size_t i = 0; i < calls; ++i) {
    const auto child = test::run_in_child([&] {
      run([&] {
        auto& objects = *new Objects;
        elsewhere([&] { fatal_calls(objects)[i].make(); });
      });
    });
    CAPTURE(i);
    CAPTURE(child.errors);
    CHECK(child.signal == SIGABRT);
    CHECK(child.says("use Loop::post to get there"));
  }
}

TEST_CASE("a group takes no task on another loop") {
  test::run([] {
    task_group([](TaskGroup& group) {
      elsewhere([&] {
        CHECK_THROWS_WITH_AS(group.spawn([] {}),
                             "TaskGroup::spawn: it belongs to another thread's loop, or to another "
                             "thread; use Loop::post to get there",
                             UsageError);
      });
      group.spawn([] {});
    });
  });
}

TEST_CASE("what is made outside of loops serves one loop after the other, on any thread") {
  Channel<int> channel(1);
  Mutex mutex;
  Event event;
  CancelScope scope;
  AsyncResource resource("MINE");
  EventEmitter<Ping> emitter;
  int pings = 0;
  emitter.on<Ping>([&] { ++pings; });
  const auto use = [&] {
    const std::scoped_lock lock(mutex);
    CHECK(channel.try_send(1));
    CHECK(channel.receive() == 1);
    event.set();
    event.clear();
  };
  const auto use_here = [&] {
    use();
    resource.run_in_async_scope([&] { emitter.emit<Ping>(); });
  };

  channel.try_send(1);
  channel.try_receive();
  test::run(use_here);
  elsewhere(use);
  test::run(use_here);

  CHECK(pings == 2);
  CHECK(mutex.statistics().owner == 0);
}

TEST_CASE("what outlives its loop is the next one's, and may be dropped anywhere") {
  std::optional<Objects> kept;
  test::run([&] {
    kept.emplace();
    yield();
  });

  elsewhere([&] {
    kept->mutex.lock();
    kept->mutex.unlock();
    kept->timeout.clear();
    kept->scope.cancel();
    kept->emitter.emit<Ping>();
    kept.reset();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
