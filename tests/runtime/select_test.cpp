#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/channel.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/capacities.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::each_capacity;
using test::HookRecorder;
using test::outcome_of_transfer;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/select");

const auto ignore = [](auto&&...) {};

// A case that receives and returns "name value".
auto hear(Channel<int>& channel, const std::string& name) {
  return on_receive(channel, [name](std::optional<int> value) {
    return name + " " + (value ? std::to_string(*value) : "none");
  });
}
auto tell(Channel<int>& channel, int value, const std::string& name) {
  const int& copied = value;
  return on_send(channel, copied, [name, value] { return name + " " + std::to_string(value); });
}
auto timeout(std::chrono::nanoseconds delay) {
  return after(delay, [] { return std::string("timeout"); });
}
auto nothing() {
  return otherwise([] { return std::string("nothing"); });
}

TEST_CASE("select takes the one case that is ready, and leaves the others alone") {
  test::run([] {
    Channel<int> empty(1);
    Channel<int> filled(1);
    Channel<int> full(1);
    filled.send(1);
    full.send(2);

    CHECK(select(hear(empty, "a"), hear(filled, "b"), tell(full, 9, "c")) == "b 1");
    CHECK(empty.size() == 0);
    CHECK(full.size() == 1);
    CHECK(select(hear(empty, "a"), tell(empty, 3, "b"), tell(full, 9, "c")) == "b 3");
    CHECK(empty.receive() == 3);
  });
}

TEST_CASE("otherwise is taken when nothing else is ready, without a wait") {
  test::run([] {
    Channel<int> channel(0);
    CHECK(select(hear(channel, "a"), tell(channel, 1, "b"), nothing()) == "nothing");
    CHECK(select(nothing(), hear(channel, "a")) == "nothing");
    spawn([&] { channel.send(5); });
    yield();
    CHECK(select(nothing(), hear(channel, "a")) == "a 5");
  });
}

TEST_CASE("a select that waits takes what comes first and leaves every other queue") {
  const std::size_t capacity = each_capacity();

  test::run([&] {
    Channel<int> first(capacity);
    Channel<int> second(capacity);
    auto task =
        spawn([&] { return select(hear(first, "first"), hear(second, "second"), timeout(1h)); });
    yield();
    CHECK(first.statistics().waiting_receivers == 1);
    second.send(2);
    CHECK(first.statistics().waiting_receivers == 0);
    CHECK(first.try_send(1) == (capacity > 0));

    CHECK(task.join() == "second 2");
  });
}

TEST_CASE("a select that waits to send hands over when a receiver comes") {
  const std::size_t capacity = each_capacity();

  test::run([&] {
    Channel<int> channel(capacity);
    Channel<int> other(0);
    while (channel.try_send(0)) continue;
    auto task = spawn([&] { return select(tell(other, 1, "other"), tell(channel, 2, "sent")); });
    yield();
    for (std::size_t i = 0; i < capacity; ++i) CHECK(channel.receive() == 0);
    CHECK(channel.receive() == 2);
    CHECK(other.statistics().waiting_senders == 0);

    CHECK(task.join() == "sent 2");
  });
}

TEST_CASE("among several that are ready each is picked about as often") {
  std::array<int, 3> taken{};

  test::run([&] {
    Channel<int> closed(0);
    closed.close();
    for (int i = 0; i < 3000; ++i) {
      ++taken[select(on_receive(closed, ignore), on_receive(closed, ignore),
                     on_receive(closed, ignore))];
    }
  });

  for (const int count : taken) {
    CHECK(count > 850);  // nine standard deviations below 1000 is 767
    CHECK(count < 1150);
  }
}

std::vector<std::size_t> picks(std::uint64_t seed) {
  std::vector<std::size_t> taken;
  RunOptions options;
  options.select_seed = seed;
  test::run(
      [&] {
        Channel<int> closed(0);
        closed.close();
        for (int i = 0; i < 64; ++i) {
          taken.push_back(select(on_receive(closed, ignore), on_receive(closed, ignore)));
        }
      },
      {.run = std::move(options)});
  return taken;
}

TEST_CASE("the same seed picks the same cases, another seed others") {
  CHECK(picks(7) == picks(7));
  CHECK(picks(7) != picks(8));
}

TEST_CASE("a closed channel is ready to receive from, with nullopt once drained") {
  test::run([] {
    Channel<int> channel(1);
    Channel<int> silent(0);
    channel.send(1);
    channel.close();

    CHECK(select(hear(silent, "a"), hear(channel, "b")) == "b 1");
    CHECK(select(hear(silent, "a"), hear(channel, "b")) == "b none");
  });
}

TEST_CASE("sending to a closed channel fails the select that picks it") {
  test::run([] {
    Channel<int> closed(1);
    Channel<int> silent(0);
    closed.close();
    bool called = false;

    CHECK(outcome_of_transfer([&] {
            select(on_receive(silent, ignore), on_send(closed, 1, [&] { called = true; }));
          }) == "broken pipe");
    CHECK_FALSE(called);
  });
}

TEST_CASE("close ends the selects that wait: one that receives, and one that sends") {
  Trace trace;

  test::run([&] {
    Channel<int> heard(0);
    Channel<int> told(0);
    Channel<int> other(0);
    spawn([&] { trace.push_back(select(hear(other, "other"), hear(heard, "heard"))); });
    spawn([&] {
      trace.push_back(
          outcome_of_transfer([&] { select(hear(other, "other"), tell(told, 1, "told")); }));
    });
    yield();
    heard.close();
    told.close();
    CHECK(other.statistics().waiting_receivers == 0);
    yield();
  });

  CHECK(trace == Trace{"heard none", "broken pipe"});
}

TEST_CASE("a select does not meet itself, and meets another that selects the same") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(0);
    const auto both = [&](int value) {
      return select(hear(channel, "heard"), tell(channel, value, "told"));
    };
    spawn([&] { trace.push_back(both(1)); });
    yield();
    CHECK(channel.statistics().waiting_senders == 1);
    CHECK(channel.statistics().waiting_receivers == 1);
    trace.push_back("alone");
    const std::string mine = both(2);
    yield();
    CHECK(channel.statistics().waiting_senders == 0);
    CHECK(channel.statistics().waiting_receivers == 0);
    CHECK(((mine == "heard 1" && trace.back() == "told 1") ||
           (mine == "told 2" && trace.back() == "heard 2")));
  });

  CHECK(trace.size() == 2);
}

TEST_CASE("one channel may stand in several cases") {
  test::run([] {
    Channel<int> channel(0);
    auto task = spawn([&] { return select(hear(channel, "a"), hear(channel, "b")); });
    yield();
    CHECK(channel.statistics().waiting_receivers == 2);
    channel.send(1);
    CHECK(channel.statistics().waiting_receivers == 0);

    CHECK(task.join() == "a 1");
  });
}

TEST_CASE("select stands in line with plain receivers") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(0);
    Channel<int> silent(0);
    spawn([&] { trace.push_back("plain " + std::to_string(*channel.receive())); });
    spawn([&] { trace.push_back(select(hear(silent, "x"), hear(channel, "select"))); });
    spawn([&] { trace.push_back("late " + std::to_string(*channel.receive())); });
    yield();
    for (int i = 1; i <= 3; ++i) channel.send(i);
  });

  CHECK(trace == Trace{"plain 1", "select 2", "late 3"});
}

TEST_CASE("when a condition does not hold its case is never taken") {
  test::run([] {
    Channel<int> channel(1);
    Channel<int> other(1);
    channel.send(1);
    CHECK(select(when(false, hear(channel, "a")), nothing()) == "nothing");
    CHECK(select(when(true, hear(channel, "a")), nothing()) == "a 1");

    auto task = spawn([&] {
      return select(when(false, hear(channel, "off")), when(true, hear(other, "on")),
                    when(false, timeout(1ms)));
    });
    yield();
    CHECK(channel.statistics().waiting_receivers == 0);
    sleep_for(5ms);
    other.send(2);
    CHECK(task.join() == "on 2");
  });
}

TEST_CASE("a value is moved from only when its case is taken") {
  test::run([] {
    Channel<std::unique_ptr<int>> full(1);
    Channel<std::unique_ptr<int>> open(1);
    full.send(std::make_unique<int>(0));
    auto first = std::make_unique<int>(1);
    auto second = std::make_unique<int>(2);

    CHECK(select(on_send(full, std::move(first), ignore),
                 on_send(open, std::move(second), ignore)) == 1);
    CHECK(first != nullptr);
    CHECK(second == nullptr);
    CHECK(**open.receive() == 2);
  });
}

TEST_CASE("after ends a select that nothing else ended") {
  test::run([] {
    Channel<int> channel(0);
    const auto began = now();

    CHECK(select(hear(channel, "a"), timeout(20ms)) == "timeout");
    CHECK(now() - began == 20ms);
    CHECK(channel.statistics().waiting_receivers == 0);
  });
}

TEST_CASE("a timer that was not taken is gone before the callback runs") {
  Trace fired;

  test::run([&] {
    Channel<int> channel(1);
    HookRecorder recorder;
    const auto sleep_within = [&](std::optional<int>) {
      recorder.take();
      sleep_for(50ms);
      fired = recorder.take();
    };
    spawn([&] { channel.send(1); });
    select(on_receive(channel, sleep_within), after(20ms, ignore));
  });

  const auto is_before = [](const std::string& line) { return line.starts_with("before"); };
  // The sleep's timer, and this fiber.
  CHECK(std::count_if(fired.begin(), fired.end(), is_before) == 2);
}

TEST_CASE("select returns the index of the case, or what its callback returns") {
  test::run([] {
    Channel<int> one(1);
    Channel<int> two(1);
    two.send(4);
    CHECK(select(on_receive(one, ignore), on_receive(two, ignore)) == 1);
    two.send(5);
    CHECK(select(on_receive(one, [](auto) { return 0; }),
                 on_receive(two, [](auto value) { return *value * 10; })) == 50);
  });
}

TEST_CASE("what the chosen callback throws leaves the select") {
  test::run([] {
    Channel<int> channel(1);
    channel.send(1);

    CHECK_THROWS_WITH(select(on_receive(channel, [](auto) { throw std::runtime_error("no"); })),
                      "no");
    CHECK(channel.size() == 0);
  });
}

TEST_CASE("a callback may select with an otherwise, and may not wait") {
  Trace trace;

  test::run([&] {
    Channel<int> channel(1);
    set_timeout(1ms, [&] {
      CHECK_THROWS_AS(select(hear(channel, "a")), UsageError);
      trace.push_back(select(hear(channel, "a"), nothing()));
      trace.push_back(select(tell(channel, 1, "told"), nothing()));
    });
    sleep_for(2ms);
  });

  CHECK(trace == Trace{"nothing", "told 1"});
}

TEST_CASE("a cancelled select has taken nothing and leaves every queue") {
  const std::size_t capacity = each_capacity();
  Trace trace;

  test::run([&] {
    Channel<int> in(capacity);
    Channel<std::unique_ptr<int>> out(0);
    auto task = spawn([&] {
      auto value = std::make_unique<int>(3);
      trace.push_back(outcome_of_transfer([&] {
        select(on_receive(in, ignore), on_send(out, std::move(value), ignore), after(1h, ignore));
      }));
      trace.push_back("still has " + std::to_string(*value));
    });
    yield();
    task.cancel();
    CHECK(in.statistics().waiting_receivers == 0);
    CHECK(out.statistics().waiting_senders == 0);
    task.join();
  });

  CHECK(trace == Trace{"cancelled", "still has 3"});
}

TEST_CASE("a select that was served before it is cancelled runs its callback") {
  Trace trace;

  test::run([&] {
    Channel<int> first(0);
    Channel<int> second(0);
    auto task = spawn([&] {
      trace.push_back(select(hear(first, "first"), hear(second, "second")));
      trace.push_back(outcome_of_transfer([&] { first.receive(); }));
    });
    yield();
    second.send(2);
    task.cancel();
    CHECK_FALSE(first.try_send(1));
    task.join();
  });

  CHECK(trace == Trace{"second 2", "cancelled"});
}

TEST_CASE("a fiber that is cancelled already takes no case") {
  test::run([] {
    Channel<int> channel(1);
    channel.send(1);
    auto task = spawn([&] {
      CHECK(outcome_of_transfer([&] { select(on_receive(channel, ignore)); }) == "cancelled");
    });
    task.cancel();
    task.join();

    CHECK(channel.size() == 1);
  });
}

TEST_CASE("a case that a hook makes ready while a timer begins is taken") {
  std::string taken;

  test::run([&] {
    Channel<int> channel(1);
    AsyncHook hook =
        create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
          if (type == "Timeout") channel.try_send(1);
        }});
    hook.enable();
    taken = select(hear(channel, "heard"), timeout(1h));
    hook.disable();
  });

  CHECK(taken == "heard 1");
}

TEST_CASE("a hook may destroy a channel while a timer of the select begins") {
  std::string taken;

  test::run([&] {
    auto channel = std::make_unique<Channel<int>>(0);
    Channel<int> other(0);
    AsyncHook hook =
        create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
          if (type == "Timeout") channel.reset();
        }});
    hook.enable();
    taken = select(hear(other, "other"), hear(*channel, "heard"), timeout(1h));
    hook.disable();
    CHECK(other.statistics().waiting_receivers == 0);
  });

  CHECK(taken == "heard none");
}

TEST_CASE("a hook may cancel the fiber while a timer of its select begins") {
  std::string ended;

  test::run([&] {
    Channel<int> channel(0);
    std::optional<Task<void>> task;
    AsyncHook hook =
        create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
          if (type == "Timeout") task->cancel();
        }});
    task = spawn([&] {
      hook.enable();
      ended = outcome_of_transfer([&] { select(hear(channel, "heard"), timeout(1h)); });
      hook.disable();
    });
    task->join();
    CHECK(channel.statistics().waiting_receivers == 0);
  });

  CHECK(ended == "cancelled");
}

TEST_CASE("the end of the run ends a select that cannot be cancelled") {
  Channel<int> channel(0);
  Trace trace;

  test::run([&] {
    spawn([&] {
      struct SelectsAtEnd {
        Channel<int>& at;
        Trace& trace;
        ~SelectsAtEnd() {
          trace.push_back(outcome_of_transfer([&] { select(hear(at, "a"), tell(at, 1, "b")); }));
        }
      } const cleanup{channel, trace};
      sleep_for(1h);
    });
    yield();
    Loop::current().stop();
  });

  CHECK(channel.statistics().waiting_receivers == 0);
  CHECK(channel.statistics().waiting_senders == 0);
  CHECK(trace == Trace{"select: operation canceled (ECANCELED)"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
