// Runs a program, in one mode or in all of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include <weft/ctx/detail/thread_state.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/error.h>
#include <weft/runtime/loop.h>
#include <weft/tests/property/callback_steps.h>
#include <weft/tests/property/context_steps.h>
#include <weft/tests/property/fiber_steps.h>
#include <weft/tests/property/program.h>
#include <weft/tests/property/promise_steps.h>
#include <weft/tests/property/socket_steps.h>
#include <weft/tests/property/world.h>

namespace weft::property {

inline void stop(World& world) {
  world.is_stopped = true;
  Loop::current().stop();
}

inline bool perform_with_promises(World& world, Strand& strand, const Step& step) {
  switch (step.op) {
    case Op::kMakePromise:
      do_make_promise(world, strand, step);
      return true;
    case Op::kSettle:
      do_settle(world, strand, step);
      return true;
    case Op::kThen:
      do_then(world, strand, step);
      return true;
    case Op::kAwaitFuture:
      do_await_future(world, strand, step);
      return true;
    case Op::kDropFuture:
      do_drop_future(world, strand, step);
      return true;
    default:
      return false;
  }
}

inline void perform_with_sockets(World& world, Strand& strand, const Step& step) {
  switch (step.op) {
    case Op::kListen:
      return do_listen(world, strand, step);
    case Op::kAccept:
      return do_accept(world, strand, step);
    case Op::kAcceptWaiting:
      return do_accept_waiting(world, strand, step);
    case Op::kCloseListener:
      return do_close_listener(world, strand, step);
    case Op::kConnect:
      return do_connect(world, strand, step);
    case Op::kConnectWaiting:
      return do_connect_waiting(world, strand, step);
    case Op::kRead:
      return do_read(world, strand, step);
    case Op::kReadWaiting:
      return do_read_waiting(world, strand, step);
    case Op::kOnData:
      return do_on_data(world, strand, step);
    case Op::kOnEnd:
      return do_on_end(world, strand, step);
    case Op::kOnClose:
      return do_on_close(world, strand, step);
    case Op::kPause:
      return do_pause(world, strand, step);
    case Op::kResume:
      return do_resume(world, strand, step);
    case Op::kWrite:
      return do_write(world, strand, step);
    case Op::kWriteWaiting:
      return do_write_waiting(world, strand, step);
    case Op::kShutdown:
      return do_shutdown(world, strand, step);
    case Op::kShutdownWaiting:
      return do_shutdown_waiting(world, strand, step);
    case Op::kCloseStream:
      return do_close_stream(world, strand, step);
    case Op::kCloseWaiting:
      return do_close_waiting(world, strand, step);
    case Op::kDropStream:
      return do_drop_stream(world, strand, step);
    default:
      require(world, false, std::string("nobody performs ") + info(step.op).name);
  }
}

inline void perform(World& world, Strand& strand, const Step& step) {
  switch (step.op) {
    case Op::kRun:
      return do_run(world, strand, step);
    case Op::kExit:
      return do_exit(world, strand, step);
    case Op::kScope:
      return do_scope(world, strand, step);
    case Op::kEnterWith:
      return do_enter_with(world, strand, step);
    case Op::kDisable:
      return do_disable(world, strand, step);
    case Op::kDetached:
      return do_detached(world, strand, step);
    case Op::kBriefLocal:
      return do_brief_local(world, strand, step);
    case Op::kMortalValue:
      return do_mortal_value(world, strand, step);
    case Op::kTakeSnapshot:
      return do_take_snapshot(world, strand, step);
    case Op::kUseSnapshot:
      return do_use_snapshot(world, strand, step);
    case Op::kBind:
      return do_bind(world, strand, step);
    case Op::kMakeResource:
      return do_make_resource(world, strand, step);
    case Op::kUseResource:
      return do_use_resource(world, strand, step);
    case Op::kEndResource:
      return do_end_resource(world, strand, step);
    case Op::kDropResource:
      return do_drop_resource(world, strand, step);
    case Op::kTimeout:
      return do_timeout(world, strand, step);
    case Op::kInterval:
      return do_interval(world, strand, step);
    case Op::kImmediate:
      return do_immediate(world, strand, step);
    case Op::kTick:
      return do_tick(world, strand, step);
    case Op::kMicrotask:
      return do_microtask(world, strand, step);
    case Op::kPost:
      return do_post(world, strand, step);
    case Op::kClearTimer:
      return do_clear_timer(world, strand, step);
    case Op::kRefreshTimer:
      return do_refresh_timer(world, strand, step);
    case Op::kUnrefTimer:
      return do_set_timer_ref(world, step, false);
    case Op::kRefTimer:
      return do_set_timer_ref(world, step, true);
    case Op::kDropTimer:
      return do_drop_timer(world, strand, step);
    case Op::kClearImmediate:
      return do_clear_immediate(world, strand, step);
    case Op::kUnrefImmediate:
      return do_set_immediate_ref(world, step, false);
    case Op::kRefImmediate:
      return do_set_immediate_ref(world, step, true);
    case Op::kSpawn:
      return do_spawn(world, strand, step);
    case Op::kJoin:
      return do_join(world, strand, step);
    case Op::kCancel:
      return do_cancel(world, strand, step);
    case Op::kDetach:
      return do_detach(world, strand, step);
    case Op::kYield:
      return do_yield(world, strand, step);
    case Op::kSleep:
      return do_sleep(world, strand, step);
    case Op::kAwait:
      return do_await(world, strand, step);
    case Op::kCatch:
      return do_catch(world, strand, step);
    case Op::kThrow:
      throw Boom{step.number};
    case Op::kHookOn:
      return world.watchers.turn(step.value, true);
    case Op::kHookOff:
      return world.watchers.turn(step.value, false);
    case Op::kStop:
      return stop(world);
    default:
      if (perform_with_promises(world, strand, step)) return;
      return perform_with_sockets(world, strand, step);
  }
}

inline void perform(World& world, Strand& strand, const Steps& steps) {
  for (const Step& step : steps) {
    if (--world.steps_left < 0) return;
    ++world.performed[static_cast<std::size_t>(step.op)];
    perform(world, strand, step);
    look(world, strand, info(step.op).name);
  }
}

// What nobody joined or caught arrives here, where its strand left it.
inline void check_uncaught(World& world, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Boom& boom) {
    require(world, world.locals.seen() == boom.context, "uncaught: in another context");
    require(world, execution_async_id() == boom.id, "uncaught: in another resource");
    world.log.write("uncaught", boom.number, world.locals.seen());
  } catch (const Rejection& rejection) {
    world.log.write("unhandled", rejection.number, world.locals.seen());
  } catch (const BrokenPromise&) {  // of one that followed it
    world.log.write("broken", 0, world.locals.seen());
  }
}

inline void run_main(World& world) {
  world.is_running = true;
  require(world, in_loop(execution_async_id()) == 1, "main is not 1");
  Strand strand{Context{}, execution_async_id(), 0, execution_async_id()};
  look(world, strand, "main");
  if (world.program.has_sockets) open_shop(world, strand);
  try {
    perform(world, strand, world.program.steps);
  } catch (const Boom& boom) {
    world.log.write("main failed", boom.number, strand.context);
  }
  look(world, strand, "main's end");
}

// All that had to run has, as often as it had to.
inline void check_plans(World& world, const Plan& plan) {
  if (!plan.must_run || (world.is_stopped && !plan.outlives_stop)) return;
  require(world, plan.runs == plan.runs_planned,
          std::string(info(plan.step->op).name) + " " + std::to_string(plan.step->number) +
              ": ran " + std::to_string(plan.runs) + " of " + std::to_string(plan.runs_planned) +
              " times");
}

// What the program still holds goes after the loop, which handles must survive.
inline void let_go(World& world) {
  world.is_running = false;
  world.tasks.clear();
  world.timers.clear();
  world.immediates.clear();
  world.snapshots.clear();
  world.resources.clear();
  world.futures.clear();
  world.streams.clear();
  world.listeners.clear();
}

// What came of one run of a program.
struct Outcome {
  Log log;
  Findings findings;
  std::array<std::size_t, kOps.size()> performed;
};

inline Outcome run_in_mode(const Program& program, const Mode& mode) {
  const std::int64_t frames_before = detail::thread_state.live_frames;
  World world(program, mode);
  RunOptions options;
  options.resume_budget = program.resume_budget;
  options.stack_bytes = 256 * 1024;  // unoptimised and sanitized steps nest deep
  options.on_uncaught = [&world](const std::exception_ptr& error) { check_uncaught(world, error); };
  const auto main = [&world] {
    run_main(world);
    return 0;
  };
  detail::run_loop(nullptr, main, std::move(options), detail::Clock::kVirtual);
  world.watchers.finish_loop();
  for (const Plan& plan : world.plans) check_plans(world, plan);
  for (const TimerPlan& plan : world.timers) check_plans(world, plan);
  for (const ImmediatePlan& plan : world.immediates) check_plans(world, plan);
  let_go(world);
  world.watchers.finish();
  require(world, detail::thread_state.live_frames == frames_before, "frames are left");
  return {std::move(world.log), std::move(world.findings), world.performed};
}

// Runs the program once in each mode. All must see the same, if there are no sockets.
inline Findings check_program(const Choice& choice) {
  const Program program = generate(choice);
  Findings findings;
  Log first;
  for (const Mode& mode : kModes) {
    Outcome outcome = run_in_mode(program, mode);
    findings.add(outcome.findings, mode.name);
    if (&mode == &kModes.front()) {
      first = std::move(outcome.log);
    } else if (!choice.has_sockets && !(outcome.log == first)) {
      findings.add(std::string(mode.name) + ": " + outcome.log.difference(first));
    }
  }
  return findings;
}

}  // namespace weft::property
