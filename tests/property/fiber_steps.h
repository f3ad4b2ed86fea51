// Steps that start fibers, wait, and end fibers.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <weft/runtime/await.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/mortal.h>
#include <weft/tests/property/world.h>

namespace weft::property {

// A callback that would wait gets UsageError; a fiber waits and finds its context.
template <typename Wait>
void wait_with(World& world, Strand& strand, const char* what, Wait wait) {
  if (!strand.may_wait()) {
    try {
      wait();
      world.findings.add(std::string(what) + " waits in a callback");
    } catch (const UsageError&) {
    }
    look(world, strand, "refused to wait");
    return;
  }
  try {
    wait();
  } catch (const Cancelled&) {
    world.log.write("cancelled", 0, strand.context);
    look(world, strand, "cancelled");
    throw;
  }
  look(world, strand, what);
  world.log.write(what, static_cast<long>(in_loop(resumed_by())), strand.context);
}

inline int run_fiber(World& world, Plan& plan) {
  plan.id = execution_async_id();
  enter(world, plan, true);
  return plan.step->number;
}

// In each way a fiber can be laid out: on a kept record, with options, with large captures.
inline Task<int> spawn_variant(World& world, Plan& plan, unsigned variant) {
  const Taking taking(world);
  Mortal mortal(world, plan.step->number, variant / 4);
  if (variant % 4 == 0) {
    return spawn([&world, &plan, mortal = std::move(mortal)] { return run_fiber(world, plan); },
                 {.name = "named", .stack_bytes = 200 * 1024});
  }
  if (variant % 4 == 1) {
    return spawn([&world, &plan, mortal = std::move(mortal), large = std::array<char, 600>{}] {
      return run_fiber(world, plan) + large[0];
    });
  }
  return spawn([&world, &plan, mortal = std::move(mortal)] { return run_fiber(world, plan); });
}

inline void do_spawn(World& world, Strand& strand, const Step& step) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  Task<int> task = spawn_variant(world, plan, step.value);
  plan.id = task.async_id();
  if (step.value % 5 < 3) world.tasks.push_back({std::move(task), &plan});
}

inline std::optional<std::size_t> pick_task(World& world, const Step& step) {
  if (world.tasks.empty()) return std::nullopt;
  return step.value % world.tasks.size();
}

inline HeldTask take_task(World& world, std::size_t index) {
  HeldTask held = std::move(world.tasks[index]);
  world.tasks.erase(std::next(world.tasks.begin(), static_cast<std::ptrdiff_t>(index)));
  return held;
}

inline void join(World& world, Strand& strand, const Step& step, HeldTask& held) {
  try {
    const int result = held.task.join();
    require(world, result == held.plan->step->number, "join returns another's result");
    world.log.write("joined", result, strand.context);
  } catch (const Boom& boom) {
    look(world, strand, "joined a failure");
    world.log.write("joined a failure", boom.number, strand.context);
    if (step.value % 3 == 0) throw;
  } catch (const std::system_error& error) {
    require(world, error.code() == std::errc::operation_canceled, error.what());
    world.log.write("joined a cancelled one", held.plan->step->number, strand.context);
  }
}

// Only of fibers younger than itself, so that nobody waits for itself in a circle.
inline void do_join(World& world, Strand& strand, const Step& step) {
  const auto index = pick_task(world, step);
  if (!index || !strand.may_wait() || world.tasks[*index].plan->id <= strand.fiber) return;
  HeldTask held = take_task(world, *index);
  wait_with(world, strand, "join", [&] { join(world, strand, step, held); });
}

inline void do_cancel(World& world, Strand& /*strand*/, const Step& step) {
  if (const auto index = pick_task(world, step)) world.tasks[*index].task.cancel();
}

inline void do_detach(World& world, Strand& /*strand*/, const Step& step) {
  if (const auto index = pick_task(world, step)) take_task(world, *index);
}

inline void do_yield(World& world, Strand& strand, const Step& /*step*/) {
  wait_with(world, strand, "yield", [] { yield(); });
}

inline void do_sleep(World& world, Strand& strand, const Step& step) {
  const std::chrono::microseconds duration(step.value % 3000);
  wait_with(world, strand, "sleep",
            [&] { step.value % 2 == 0 ? sleep_for(duration) : sleep_until(now() + duration); });
}

// An operation that can be cut short, as those of io/ are.
inline int await_with_abort() {
  const auto done = std::make_shared<Callback<int>>();
  const auto complete = [done](Result<int> result) {
    if (*done) std::exchange(*done, {})(std::move(result));
  };
  return await<int>(
      [&](Callback<int> callback) {
        *done = std::move(callback);
        set_timeout(std::chrono::milliseconds(2), [complete] { complete(1); });
      },
      [complete] {
        complete(Error{std::make_error_code(std::errc::operation_canceled), "await"});
      });
}

inline int await_variant(unsigned variant) {
  switch (variant % 4) {
    case 0:
      return await<int>([](Callback<int> done) { done(1); });
    case 1:
      return await<int>(
          [](Callback<int> done) { next_tick([done = std::move(done)]() mutable { done(1); }); });
    case 2:
      return await<int>([](Callback<int> done) {
        set_immediate([done = std::move(done)]() mutable { done(1); });
      });
    default:
      return await_with_abort();
  }
}

inline void do_await(World& world, Strand& strand, const Step& step) {
  wait_with(world, strand, "await", [&] {
    try {
      require(world, await_variant(step.value) == 1, "await returns something else");
    } catch (const UsageError&) {  // a stop dropped the callback
      if (!strand.may_wait() || !world.is_stopped) throw;
    }
  });
}

// Waits while an exception unwinds its stack, where nobody may throw.
class WaitsAtEnd {
 public:
  WaitsAtEnd(World& world, Strand& strand, bool waits)
      : world_(world), strand_(strand), waits_(waits) {}
  WaitsAtEnd(const WaitsAtEnd&) = delete;
  WaitsAtEnd& operator=(const WaitsAtEnd&) = delete;
  ~WaitsAtEnd() {
    if (!waits_ || !strand_.may_wait()) return;
    sleep_for(std::chrono::milliseconds(1));
    look(world_, strand_, "slept while unwinding");
  }

 private:
  World& world_;
  Strand& strand_;
  bool waits_;
};

// Fibers wait in catch blocks, each with an exception of its own.
inline void do_catch(World& world, Strand& strand, const Step& step) {
  try {
    const WaitsAtEnd waiting(world, strand, step.value % 3 == 0);
    throw Boom{step.number};
  } catch (const Boom& caught) {
    perform(world, strand, step.body);
    try {
      throw;
    } catch (const Boom& again) {
      require(world, &again == &caught && again.number == step.number,
              "another exception is handled after the body of a catch");
    }
  }
}

}  // namespace weft::property
