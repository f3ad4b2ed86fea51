// Program: a tree of steps made from a seed.
//
// A step does one thing with weft; the body of a step is what its callback or fiber
// does, or what happens inside its scope. Programs are made before they run, so the
// same one can run again under other hooks, with fewer steps, or with some left out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <weft/tests/property/context_model.h>
#include <weft/tests/property/random.h>

namespace weft::property {

enum class Op : std::uint8_t {
  kRun,
  kExit,
  kScope,
  kEnterWith,
  kDisable,
  kDetached,
  kBriefLocal,
  kMortalValue,
  kTakeSnapshot,
  kUseSnapshot,
  kBind,
  kMakeResource,
  kUseResource,
  kEndResource,
  kDropResource,
  kTimeout,
  kInterval,
  kImmediate,
  kTick,
  kMicrotask,
  kPost,
  kClearTimer,
  kRefreshTimer,
  kUnrefTimer,
  kRefTimer,
  kDropTimer,
  kClearImmediate,
  kUnrefImmediate,
  kRefImmediate,
  kSpawn,
  kJoin,
  kCancel,
  kDetach,
  kYield,
  kSleep,
  kAwait,
  kMakePromise,
  kSettle,
  kThen,
  kAwaitFuture,
  kDropFuture,
  kCatch,
  kThrow,
  kHookOn,
  kHookOff,
  kStop,
  kListen,
  kAccept,
  kAcceptWaiting,
  kCloseListener,
  kConnect,
  kConnectWaiting,
  kRead,
  kReadWaiting,
  kOnData,
  kOnEnd,
  kOnClose,
  kPause,
  kResume,
  kWrite,
  kWriteWaiting,
  kShutdown,
  kShutdownWaiting,
  kCloseStream,
  kCloseWaiting,
  kDropStream,
};

struct OpInfo {
  const char* name;
  unsigned weight;  // how often, among all
  bool has_body;
  bool needs_sockets = false;
};

// In the order of Op.
inline constexpr std::array kOps = {
    OpInfo{"run", 4, true},
    OpInfo{"exit", 2, true},
    OpInfo{"scope", 3, true},
    OpInfo{"enter_with", 4, false},
    OpInfo{"disable", 1, false},
    OpInfo{"detached", 2, true},
    OpInfo{"brief local", 2, true},
    OpInfo{"mortal value", 2, true},
    OpInfo{"take snapshot", 2, false},
    OpInfo{"use snapshot", 3, true},
    OpInfo{"bind", 2, true},
    OpInfo{"make resource", 3, false},
    OpInfo{"use resource", 4, true},
    OpInfo{"end resource", 1, false},
    OpInfo{"drop resource", 1, false},
    OpInfo{"set_timeout", 6, true},
    OpInfo{"set_interval", 3, true},
    OpInfo{"set_immediate", 5, true},
    OpInfo{"next_tick", 5, true},
    OpInfo{"queue_microtask", 5, true},
    OpInfo{"post", 2, true},
    OpInfo{"clear timer", 2, false},
    OpInfo{"refresh timer", 4, false},
    OpInfo{"unref timer", 1, false},
    OpInfo{"ref timer", 1, false},
    OpInfo{"drop timer", 1, false},
    OpInfo{"clear immediate", 2, false},
    OpInfo{"unref immediate", 1, false},
    OpInfo{"ref immediate", 1, false},
    OpInfo{"spawn", 10, true},
    OpInfo{"join", 5, false},
    OpInfo{"cancel", 3, false},
    OpInfo{"detach", 2, false},
    OpInfo{"yield", 7, false},
    OpInfo{"sleep", 5, false},
    OpInfo{"await", 4, false},
    OpInfo{"make promise", 4, false},
    OpInfo{"settle", 4, false},
    OpInfo{"then", 4, true},
    OpInfo{"await future", 3, false},
    OpInfo{"drop future", 1, false},
    OpInfo{"catch", 5, true},
    OpInfo{"throw", 2, false},
    OpInfo{"hook on", 2, false},
    OpInfo{"hook off", 2, false},
    OpInfo{"stop", 1, false},
    OpInfo{"listen", 2, false, true},
    OpInfo{"accept", 2, true, true},
    OpInfo{"accept, waiting", 3, false, true},
    OpInfo{"close listener", 1, false, true},
    OpInfo{"connect", 8, true, true},
    OpInfo{"connect, waiting", 10, false, true},
    OpInfo{"read", 5, true, true},
    OpInfo{"read, waiting", 5, false, true},
    OpInfo{"on_data", 6, true, true},
    OpInfo{"on_end", 3, true, true},
    OpInfo{"on_close", 3, true, true},
    OpInfo{"pause", 2, false, true},
    OpInfo{"resume", 3, false, true},
    OpInfo{"write", 8, true, true},
    OpInfo{"write, waiting", 6, false, true},
    OpInfo{"shutdown", 3, true, true},
    OpInfo{"shutdown, waiting", 2, false, true},
    OpInfo{"close stream", 3, false, true},
    OpInfo{"close stream, waiting", 2, false, true},
    OpInfo{"drop stream", 2, false, true},
};
static_assert(kOps.size() == static_cast<std::size_t>(Op::kDropStream) + 1);

inline const OpInfo& info(Op op) noexcept {
  return kOps[static_cast<std::size_t>(op)];
}

struct Step {
  Op op = Op::kYield;
  int number = 0;         // in the order made; what WEFT_SKIP names
  std::size_t local = 0;  // which one, where the step is about a local
  unsigned value = 0;     // what to set, which handle, which variant
  std::vector<Step> body = {};
};
using Steps = std::vector<Step>;

// What makes a program: the same choice gives the same one.
struct Choice {
  std::uint64_t seed = 1;
  int steps = 48;
  bool has_sockets = false;    // whose events come in no certain order
  std::set<int> skipped = {};  // numbers of steps, which go with their bodies
};

struct Program {
  Steps steps;
  int size = 0;  // steps before any were skipped
  unsigned resume_budget = 1024;
  bool has_sockets = false;
};

class Generator {
 public:
  explicit Generator(const Choice& choice)
      : choice_(choice), random_(choice.seed), steps_left_(choice.steps) {}

  Program make() {
    constexpr std::array kBudgets = {1U, 2U, 5U, 1024U, 1024U, 1024U};
    Program program;
    program.size = choice_.steps;
    program.has_sockets = choice_.has_sockets;
    program.resume_budget = kBudgets[random_.below(kBudgets.size())];
    may_throw_ = random_.one_in(2);
    may_stop_ = random_.one_in(6);
    while (steps_left_ > 0) add_block(program.steps, 0);
    return program;
  }

 private:
  static constexpr int kDepthMax = 6;

  void add_block(Steps& to, int depth) {
    for (unsigned more = 1 + random_.below(5); more > 0 && steps_left_ > 0; --more) {
      Step made = step(depth);
      if (!choice_.skipped.contains(made.number)) to.push_back(std::move(made));
    }
  }

  Step step(int depth) {
    --steps_left_;
    Step made;
    made.op = op();
    made.number = ++last_number_;
    made.local = random_.below(kLocals);
    made.value = random_.below(60'000);
    if (info(made.op).has_body && depth < kDepthMax) add_block(made.body, depth + 1);
    return made;
  }

  Op op() {
    for (;;) {
      const Op drawn = draw();
      if (info(drawn).needs_sockets && !choice_.has_sockets) continue;
      if (drawn == Op::kThrow && !may_throw_) continue;
      if (drawn == Op::kStop && !(may_stop_ && random_.one_in(3))) continue;
      return drawn;
    }
  }

  Op draw() {
    static constexpr unsigned kTotal = [] {
      unsigned total = 0;
      for (const OpInfo& op : kOps) total += op.weight;
      return total;
    }();
    unsigned left = random_.below(kTotal);
    std::size_t index = 0;
    while (left >= kOps[index].weight) left -= kOps[index++].weight;
    return static_cast<Op>(index);
  }

  const Choice& choice_;
  Random random_;
  int steps_left_;
  int last_number_ = 0;
  bool may_throw_ = false;
  bool may_stop_ = false;
};

inline Program generate(const Choice& choice) {
  return Generator(choice).make();
}

// The numbers of all steps, bodies after their step.
inline void collect_numbers(const Steps& steps, std::vector<int>& numbers) {
  for (const Step& step : steps) {
    numbers.push_back(step.number);
    collect_numbers(step.body, numbers);
  }
}

inline std::string listing(const Steps& steps, std::size_t depth = 1) {
  std::string lines;
  for (const Step& step : steps) {
    lines += std::string(2 * depth, ' ') + std::to_string(step.number) + " " + info(step.op).name +
             " local " + std::to_string(step.local) + " value " + std::to_string(step.value) +
             "\n" + listing(step.body, depth + 1);
  }
  return lines;
}

}  // namespace weft::property
