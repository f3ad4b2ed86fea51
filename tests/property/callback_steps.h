// Steps that take a callback, and those that change their minds about one.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include <weft/runtime/loop.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/mortal.h>
#include <weft/tests/property/world.h>

namespace weft::property {

inline void do_tick(World& world, Strand& strand, const Step& step) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  const Taking taking(world);
  next_tick([&world, &plan] { enter(world, plan, false); });
}

inline void do_microtask(World& world, Strand& strand, const Step& step) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  const Taking taking(world);
  queue_microtask([&world, &plan, mortal = Mortal(world, step.number, step.value)] {
    enter(world, plan, false);
  });
}

// A post's resource is made when it arrives, outside of everything; its trigger is the poster.
inline void do_post(World& world, Strand& strand, const Step& step) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  const Taking taking(world);
  Loop::current().post([&world, &plan] { enter(world, plan, false); });
}

inline void do_immediate(World& world, Strand& strand, const Step& step) {
  ImmediatePlan& plan = world.immediates.emplace_back(ImmediatePlan{plan_from(strand, step)});
  plan.outlives_stop = false;
  const Taking taking(world);
  plan.handle = set_immediate([&world, &plan, mortal = Mortal(world, step.number, step.value)] {
    enter(world, plan, false);
  });
  plan.id = plan.handle.async_id();
}

inline ImmediatePlan* pick_immediate(World& world, const Step& step) {
  return world.immediates.empty() ? nullptr
                                  : &world.immediates[step.value % world.immediates.size()];
}

inline void do_clear_immediate(World& world, Strand& /*strand*/, const Step& step) {
  ImmediatePlan* const plan = pick_immediate(world, step);
  if (plan == nullptr) return;
  plan->runs_planned = plan->runs;  // one that runs has left the queue
  plan->handle.clear();
}

inline void do_set_immediate_ref(World& world, const Step& step, bool referenced) {
  ImmediatePlan* const plan = pick_immediate(world, step);
  if (plan == nullptr) return;
  referenced ? plan->handle.ref() : plan->handle.unref();
  plan->must_run = referenced;
}

// What a timer's callback does to its plan.
inline void fire(World& world, TimerPlan& plan) {
  using State = TimerPlan::State;
  plan.state = State::kFiring;
  if (plan.is_interval && --plan.calls_left == 0) {
    plan.handle.clear();
    plan.state = State::kCleared;
  }
  struct Settle {
    TimerPlan& plan;
    ~Settle() {
      if (plan.state == State::kFiringArmed) plan.state = State::kArmed;
      if (plan.state == State::kFiring) {
        plan.state = plan.is_interval ? State::kArmed : State::kEnded;
      }
    }
  } const settle{plan};
  enter(world, plan, false);
}

inline TimerPlan& plan_timer(World& world, Strand& strand, const Step& step) {
  TimerPlan& plan = world.timers.emplace_back(TimerPlan{plan_from(strand, step)});
  plan.outlives_stop = false;
  return plan;
}

inline void do_timeout(World& world, Strand& strand, const Step& step) {
  TimerPlan& plan = plan_timer(world, strand, step);
  const Taking taking(world);
  plan.handle = set_timeout(
      std::chrono::milliseconds(step.value % 4),
      [&world, &plan, mortal = Mortal(world, step.number, step.value)] { fire(world, plan); });
  plan.id = plan.handle.async_id();
}

inline void do_interval(World& world, Strand& strand, const Step& step) {
  TimerPlan& plan = plan_timer(world, strand, step);
  plan.is_interval = true;
  plan.calls_left = plan.runs_planned = 1 + step.value % 3;
  const Taking taking(world);
  plan.handle = set_interval(std::chrono::milliseconds(step.value % 4),
                             [&world, &plan] { fire(world, plan); });
  plan.id = plan.handle.async_id();
}

// Null when there is none, or the program has dropped its handle.
inline TimerPlan* pick_timer(World& world, const Step& step) {
  if (world.timers.empty()) return nullptr;
  TimerPlan& plan = world.timers[step.value % world.timers.size()];
  return plan.is_held ? &plan : nullptr;
}

inline void do_clear_timer(World& world, Strand& /*strand*/, const Step& step) {
  TimerPlan* const plan = pick_timer(world, step);
  if (plan == nullptr) return;
  plan->state = TimerPlan::State::kCleared;
  plan->runs_planned = plan->runs;
  plan->handle.clear();
}

// The context of an armed timer stays; one that has fired begins a new life here.
inline void do_refresh_timer(World& world, Strand& strand, const Step& step) {
  using State = TimerPlan::State;
  TimerPlan* const plan = pick_timer(world, step);
  if (plan == nullptr || world.is_stopped || --world.steps_left < 0) return;
  const AsyncId before = plan->handle.async_id();
  if (plan->state == State::kFiring && !plan->is_interval) ++plan->runs_planned;
  if (plan->state == State::kFiring) plan->state = State::kFiringArmed;
  const Taking taking(world);
  plan->handle.refresh();
  const AsyncId after = plan->handle.async_id();
  require(world, (plan->state == State::kEnded) == (after != before),
          "refresh: a new id for no new life, or none for one");
  if (plan->state != State::kEnded) return;
  plan->state = State::kArmed;
  ++plan->runs_planned;
  plan->id = after;
  plan->trigger = strand.id;
  plan->context = strand.context.inherited();
}

inline void do_set_timer_ref(World& world, const Step& step, bool referenced) {
  TimerPlan* const plan = pick_timer(world, step);
  if (plan == nullptr) return;
  referenced ? plan->handle.ref() : plan->handle.unref();
  require(world, plan->handle.has_ref() == referenced, "has_ref is wrong");
  plan->must_run = referenced;
}

// An interval ends by its handle, so that one is kept.
inline void do_drop_timer(World& world, Strand& /*strand*/, const Step& step) {
  TimerPlan* const plan = pick_timer(world, step);
  if (plan == nullptr || plan->is_interval) return;
  plan->handle = Timeout();
  plan->is_held = false;
}

}  // namespace weft::property
