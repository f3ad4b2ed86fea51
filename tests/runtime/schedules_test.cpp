// weft's own primitives under thousands of schedules: what they promise holds in each.
#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/testing/schedules.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>

namespace weft {
namespace {

using test::kSchedules;
using testing::for_each_schedule;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("runtime/schedules");

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

// Counts those who are somewhere, however they leave.
struct Counted {
  explicit Counted(int& number) : count(number) { ++count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count; }
  int& count;
};

TEST_CASE("a mutex lets in one at a time, and whoever is cancelled while waiting not at all") {
  for_each_schedule(kSchedules, [] {
    Mutex mutex;
    int inside = 0;
    int entered = 0;
    task_group([&](TaskGroup& group) {
      std::vector<Task<void>> tasks;
      for (int i = 0; i < 5; ++i) {
        tasks.push_back(group.spawn([&] {
          yield();
          const std::lock_guard guard(mutex);
          const Counted here{inside};
          require(inside == 1, "two are inside");
          yield();
          ++entered;
        }));
      }
      yield();
      tasks[2].cancel();
    });
    require(inside == 0 && (entered == 4 || entered == 5), "somebody is lost");
    require(mutex.try_lock(), "the mutex is left locked");
    mutex.unlock();
  });
}

TEST_CASE("a channel hands over each value once, to each receiver in the sender's order") {
  std::size_t capacity = 0;
  SUBCASE("a rendezvous") {}
  SUBCASE("room for two") {
    capacity = 2;
  }
  for_each_schedule(kSchedules, [capacity] {
    Channel<std::pair<int, int>> channel(capacity);
    std::set<std::pair<int, int>> got;
    const auto receive_all = [&] {
      std::array<int, 3> last{-1, -1, -1};
      while (auto value = channel.receive()) {
        require(got.insert(*value).second, "a value came twice");
        int& before = last.at(static_cast<std::size_t>(value->first));
        require(std::exchange(before, value->second) < value->second, "out of order");
        yield();
      }
    };
    task_group([&](TaskGroup& group) {
      group.spawn(receive_all);
      group.spawn(receive_all);
      task_group([&](TaskGroup& senders) {
        for (int sender = 0; sender < 3; ++sender) {
          senders.spawn([&, sender] {
            for (int n = 0; n < 3; ++n) channel.send({sender, n});
          });
        }
      });
      channel.close();
    });
    require(got.size() == 9, "a value is lost");
  });
}

TEST_CASE("a task group ends after its children, with what failed in it") {
  for_each_schedule(kSchedules, [] {
    int alive = 0;
    bool has_failed = false;
    const auto member = [&alive](auto work) {
      return [&alive, work] {
        const Counted here{alive};
        work();
      };
    };
    try {
      task_group([&](TaskGroup& group) {
        group.spawn(member([] { sleep_for(1h); }));
        group.spawn(member([&] {
          task_group([&](TaskGroup& inner) {
            inner.spawn(member([] { sleep_for(2h); }));
            yield();
          });
        }));
        group.spawn(member([] {
          yield();
          throw std::runtime_error("failed");
        }));
        yield();
        group.spawn(member([] { yield(); }));
      });
    } catch (const std::exception&) {
      has_failed = true;
    }
    require(has_failed, "the failure is lost");
    require(alive == 0, "a child outlives its group");
  });
}

TEST_CASE("select takes exactly one case, and the value of no other") {
  for_each_schedule(kSchedules, [] {
    Channel<int> left(1);
    Channel<int> right(1);
    int sum = 0;
    task_group([&](TaskGroup& group) {
      group.spawn([&] { left.send(1); });
      group.spawn([&] { right.send(10); });
      for (int i = 0; i < 2; ++i) {
        group.spawn([&] {
          select(on_receive(left, [&](std::optional<int> n) { sum += *n; }),
                 on_receive(right, [&](std::optional<int> n) { sum += *n; }));
        });
      }
    });
    require(sum == 11, "a value was lost or came twice");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
