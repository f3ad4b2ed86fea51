// World: one program while it runs, and what it should see.
//
// Every callback and fiber has a Plan, made by the call that took it: the context
// captured there, who triggered it, how often it may run. A Strand is one run of it
// and follows what the steps do to its context. Both are plain data; look() compares
// them with what weft shows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/snapshot.h>
#include <weft/io/tcp.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/context_model.h>
#include <weft/tests/property/findings.h>
#include <weft/tests/property/log.h>
#include <weft/tests/property/program.h>
#include <weft/tests/property/watchers.h>

namespace weft::property {

// What a callback or fiber should see when it is entered.
struct Plan {
  const Step* step = nullptr;
  Context context = {};
  AsyncId id = 0;  // 0: not known before it runs
  AsyncId trigger = 0;
  bool is_trigger_known = true;  // not where io/ chooses the resource
  unsigned runs = 0;
  unsigned runs_planned = 1;
  bool must_run = true;
  bool outlives_stop = true;  // runs even when the program stops the loop before
};

struct TimerPlan : Plan {
  enum class State {
    kArmed,        // the wheel has it
    kFiring,       // its callback runs
    kFiringArmed,  // refreshed by its own callback
    kEnded,        // fired; refresh begins a new life
    kCleared,      // for good
  };
  Timeout handle = {};  // empty when the program dropped it
  State state = State::kArmed;
  unsigned calls_left = 0;  // of an interval
  bool is_interval = false;
  bool is_held = true;
};

struct ImmediatePlan : Plan {
  Immediate handle = {};
};

struct HeldTask {
  Task<int> task;
  Plan* plan;
};

// A user's resource with the context it captured. Shared with the strands inside it.
struct HeldResource {
  std::shared_ptr<AsyncResource> resource;
  Context context;
  bool is_destroyed = false;
  int open = 0;  // strands inside
};

struct HeldSnapshot {
  std::shared_ptr<Snapshot> snapshot;  // shared with the strands inside
  Context context;
  AsyncId trigger;
};

struct HeldFuture {
  Future<int> future;
  std::shared_ptr<Promise<int>> promise;  // null: settled, or made by then()
  bool is_root;
};

// The bytes that went one way or the other: each end knows what comes next.
struct Traffic {
  std::size_t sent = 0;
  std::size_t received = 0;
};

// Shared with the strands that use it. Traffic is shared with its handlers as well.
struct HeldStream {
  io::TcpStream stream;
  std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();
};

// One run of a callback or fiber, or of a scope inside it.
struct Strand {
  Context context;
  AsyncId id;
  AsyncId trigger;
  AsyncId fiber;  // 0 in a callback: no step may wait
  bool may_wait() const noexcept { return fiber != 0; }
};

// What a program throws; says where it left its strand.
struct Boom {
  int number;
  Context context = {};
  AsyncId id = 0;
};

// What a program rejects a promise with.
struct Rejection {
  int number;
};

struct World {
  World(const Program& of, const Mode& mode)
      : program(of), watchers(mode, findings), steps_left(4 * of.size) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() = default;

  const Program& program;
  Findings findings;
  Log log;
  Watchers watchers;
  Locals locals;
  int steps_left;           // loops (intervals, refreshed timers) end with them
  bool is_running = false;  // between main and the loop's end
  bool is_stopped = false;
  int calls_taking = 0;                                 // depth of calls that take a callback
  std::array<std::size_t, kOps.size()> performed = {};  // by Op

  std::deque<Plan> plans;  // deques: addresses hold
  std::deque<TimerPlan> timers;
  std::deque<ImmediatePlan> immediates;
  std::vector<HeldTask> tasks;
  std::vector<std::shared_ptr<HeldResource>> resources;
  std::vector<HeldSnapshot> snapshots;
  std::vector<HeldFuture> futures;
  std::vector<std::shared_ptr<io::TcpListener>> listeners;  // shared with fibers that accept
  std::vector<std::uint16_t> ports;
  std::vector<std::shared_ptr<HeldStream>> streams;
};

void perform(World& world, Strand& strand, const Steps& steps);

inline void require(World& world, bool holds, const std::string& otherwise) {
  if (!holds) world.findings.add(otherwise);
}

// Compares what weft shows here with what the strand should see.
inline void look(World& world, const Strand& strand, const char* where) {
  const Context seen = world.locals.seen();
  if (seen != strand.context) {
    world.findings.add(std::string(where) + ": the context is " + seen.text() + ", should be " +
                       strand.context.text());
  }
  if (execution_async_id() != strand.id || trigger_async_id() != strand.trigger) {
    world.findings.add(
        std::string(where) + ": runs as " + std::to_string(in_loop(execution_async_id())) + " of " +
        std::to_string(in_loop(trigger_async_id())) + ", should be " +
        std::to_string(in_loop(strand.id)) + " of " + std::to_string(in_loop(strand.trigger)));
  }
}

// While one lives a callback is being taken, so none may run.
class Taking {
 public:
  explicit Taking(World& world) : world_(world) { ++world_.calls_taking; }
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;
  ~Taking() { --world_.calls_taking; }

 private:
  World& world_;
};

// The plan of what `strand` starts with `step`.
inline Plan plan_from(const Strand& strand, const Step& step) {
  return {.step = &step, .context = strand.context.inherited(), .trigger = strand.id};
}

// One run of a callback (`is_fiber` false) or fiber, with what it should see checked.
inline void enter(World& world, Plan& plan, bool is_fiber) {
  const int number = plan.step->number;
  const std::string name = std::string(info(plan.step->op).name) + " " + std::to_string(number);
  ++plan.runs;
  require(world, world.calls_taking == 0, name + ": runs inside the call that took it");
  require(world, plan.runs <= plan.runs_planned, name + ": runs too often");
  require(world, plan.id == 0 || plan.id == execution_async_id(), name + ": runs with another id");

  const AsyncId self = execution_async_id();
  const AsyncId trigger = plan.is_trigger_known ? plan.trigger : trigger_async_id();
  Strand strand{plan.context, self, trigger, is_fiber ? self : 0};
  look(world, strand, "entry");
  world.log.write("enters", number, strand.context);
  try {
    perform(world, strand, plan.step->body);
  } catch (Boom& boom) {
    look(world, strand, "unwound");
    boom.context = strand.context;
    boom.id = strand.id;
    throw;
  }
  look(world, strand, "end");
  world.log.write("leaves", number, strand.context);
}

}  // namespace weft::property
