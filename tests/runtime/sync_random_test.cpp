// Many fibers that come, go and are cancelled at random, in the same order in every run.
#include <cstddef>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/condition_variable.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/shared_mutex.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/sync_random");

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  void yield_often() {
    for (unsigned n = below(4); n > 0; --n) yield();
  }

 private:
  std::mt19937 engine_;
};

// What fibers visit; each counts who is inside and checks that they may be there together.

struct MutexRoom {
  Mutex mutex;
  int inside = 0;

  void visit(Random& random) {
    const std::scoped_lock lock(mutex);
    struct Inside {
      int& count;
      ~Inside() { --count; }
    } const inside_it{++inside};
    CHECK(inside == 1);
    random.yield_often();
  }
  bool is_empty() const { return !mutex.statistics().locked; }
};

struct SemaphoreRoom {
  Semaphore semaphore{3, {.permits_max = 3}};

  void visit(Random& random) {
    const Semaphore::Permit permit(semaphore);
    random.yield_often();
  }
  bool is_empty() const { return semaphore.statistics().permits == 3; }
};

struct SharedMutexRoom {
  SharedMutex mutex;
  int writers = 0;

  void visit(Random& random) {
    if (random.below(3) > 0) {
      const std::shared_lock lock(mutex);
      random.yield_often();
      CHECK(writers == 0);
    } else {
      const std::unique_lock lock(mutex);
      struct Writing {
        int& count;
        ~Writing() { --count; }
      } const writing{++writers};
      CHECK(mutex.statistics().readers == 0);
      random.yield_often();
      CHECK(writers == 1);
    }
  }
  bool is_empty() const { return !mutex.statistics().locked; }
};

// Two tokens; who takes one gives it back and notifies one.
struct ConditionRoom {
  Mutex mutex;
  ConditionVariable given_back;
  int tokens = 2;

  void visit(Random& random) {
    {
      const std::scoped_lock lock(mutex);
      given_back.wait(mutex, [&] { return tokens > 0; });
      --tokens;
    }
    struct GiveBack {
      ConditionRoom& room;
      ~GiveBack() {
        ++room.tokens;
        room.given_back.notify_one();
      }
    } const give_back{*this};
    random.yield_often();
  }
  bool is_empty() const { return tokens == 2 && !mutex.statistics().locked; }
};

// A wake that is lost leaves a fiber waiting, and the run ends with Deadlock.
TEST_CASE_TEMPLATE("whoever is cancelled whenever, the others get in and the room is left empty",
                   Room, MutexRoom, SemaphoreRoom, SharedMutexRoom, ConditionRoom) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    test::run([seed] {
      Random random(seed);
      Room room;
      std::vector<Task<void>> visitors;
      visitors.reserve(12);
      for (int i = 0; i < 12; ++i) {
        visitors.push_back(spawn([&] {
          for (int visit = 0; visit < 4; ++visit) {
            room.visit(random);
            random.yield_often();
          }
        }));
      }
      for (int i = 0; i < 8; ++i) {
        random.yield_often();
        visitors[random.below(12)].cancel();
      }
      for (auto& visitor : visitors) {
        try {
          visitor.join();
        } catch (const std::system_error& cancelled) {
          CHECK(cancelled.code() == std::errc::operation_canceled);
        }
      }
      CHECK(room.is_empty());
    });
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
