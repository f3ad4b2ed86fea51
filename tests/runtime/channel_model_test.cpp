// Random programs run on real channels and on a model of them; both must tell the same story.
//
// A program is a list of steps of one driver: it spawns fibers that do one operation each, tries
// operations itself, closes, cancels, and now and then lets the fibers run. The model is
// sequential: plain queues, and a ready queue in place of the fibers. Where a select picks at
// random the model takes what the real one did, after it has checked that this case was ready.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/channel.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("runtime/channel_model");

constexpr std::size_t kCasesMax = 3;

struct Side {
  bool sends = false;
  std::size_t channel = 0;
  int value = 0;  // unlike any other's
};

struct Step {
  enum Kind { kSpawnOne, kSpawnSelect, kTry, kClose, kCancel, kSettle };
  Kind kind = kSettle;
  std::vector<Side> sides = {};  // of a select several; else one
  bool has_otherwise = false;
  std::size_t target = 0;  // of kCancel: which fiber
};

struct Program {
  std::vector<std::size_t> capacities;
  std::vector<Step> steps;
};

Program make_program(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  Program program;
  const std::size_t channels = 1 + below(3);
  for (std::size_t i = 0; i < channels; ++i) {
    program.capacities.push_back(std::vector<std::size_t>{0, 0, 1, 2, 5}[below(5)]);
  }
  int value = 0;
  const auto side = [&] { return Side{below(2) == 0, below(channels), ++value}; };
  const Step::Kind kinds[] = {
      Step::kSpawnOne,    Step::kSpawnOne, Step::kSpawnOne, Step::kSpawnOne, Step::kSpawnSelect,
      Step::kSpawnSelect, Step::kTry,      Step::kCancel,   Step::kSettle,   Step::kSettle};
  const std::size_t count = 10 + below(60);
  for (std::size_t i = 0; i < count; ++i) {
    Step step{.kind = below(60) == 0 ? Step::kClose : kinds[below(std::size(kinds))]};
    step.sides.push_back(side());
    while (step.kind == Step::kSpawnSelect && step.sides.size() < kCasesMax && below(2) == 0) {
      step.sides.push_back(side());
    }
    step.has_otherwise = below(6) == 0;
    step.target = below(40);
    program.steps.push_back(std::move(step));
  }
  for (std::size_t i = 0; i < channels; ++i) {
    program.steps.push_back({.kind = Step::kClose, .sides = {{.channel = i}}});
  }
  program.steps.push_back({.kind = Step::kSettle});
  return program;
}

std::string got(const std::optional<int>& value) {
  return "got " + (value ? std::to_string(*value) : "none");
}
std::string line(std::size_t id, const std::string& text) {
  return std::to_string(id) + " " + text;
}
std::string state(std::size_t channel, std::size_t size, std::size_t senders,
                  std::size_t receivers) {
  return "channel " + std::to_string(channel) + ": " + std::to_string(size) + " held, " +
         std::to_string(senders) + " send, " + std::to_string(receivers) + " receive";
}

// The program on real channels. Inside of a loop.
class Real {
 public:
  explicit Real(const Program& program) {
    for (const std::size_t capacity : program.capacities) channels_.emplace_back(capacity);
    for (const Step& step : program.steps) run(step);
  }

  Trace log;

 private:
  void run(const Step& step) {
    switch (step.kind) {
      case Step::kSpawnOne:
      case Step::kSpawnSelect:
        fibers_.push_back(spawn([this, &step, id = fibers_.size()] {
          const std::string text = outcome(
              [&] { return step.kind == Step::kSpawnOne ? one(step.sides[0]) : any(step); });
          log.push_back(line(id, text));
        }));
        return;
      case Step::kTry:
        return log.push_back("try " + outcome([&] { return attempt(step.sides[0]); }));
      case Step::kClose:
        return channels_[step.sides[0].channel].close();
      case Step::kCancel:
        if (step.target < fibers_.size()) fibers_[step.target].cancel();
        return;
      case Step::kSettle:
        return settle();
    }
  }

  template <typename F>
  static std::string outcome(F&& fn) {
    try {
      return fn();
    } catch (const Cancelled&) {
      return "cancelled";
    } catch (const std::system_error& error) {
      return error.code() == std::errc::broken_pipe ? "closed" : error.what();
    }
  }

  std::string one(const Side& side) {
    if (!side.sends) return got(channels_[side.channel].receive());
    channels_[side.channel].send(side.value);
    return "sent";
  }
  std::string attempt(const Side& side) {
    if (side.sends) return channels_[side.channel].try_send(side.value) ? "sent" : "would wait";
    return got(channels_[side.channel].try_receive());
  }
  static bool is(const Step& step, std::size_t at, bool sends) {
    return at < step.sides.size() && step.sides[at].sends == sends;
  }
  static const Side& side(const Step& step, std::size_t at) {
    return step.sides[std::min(at, step.sides.size() - 1)];
  }
  auto receive(const Step& step, std::size_t at) {
    return on_receive(channels_[side(step, at).channel], [at](std::optional<int> value) {
      return "case " + std::to_string(at) + " " + got(value);
    });
  }
  auto send(const Step& step, std::size_t at) {
    return on_send(channels_[side(step, at).channel], side(step, at).value,
                   [at] { return "case " + std::to_string(at) + " sent"; });
  }
  std::string any(const Step& step) {
    const auto with = [&](auto&&... more) {
      return select(
          when(is(step, 0, false), receive(step, 0)), when(is(step, 0, true), send(step, 0)),
          when(is(step, 1, false), receive(step, 1)), when(is(step, 1, true), send(step, 1)),
          when(is(step, 2, false), receive(step, 2)), when(is(step, 2, true), send(step, 2)),
          std::forward<decltype(more)>(more)...);
    };
    return step.has_otherwise ? with(otherwise([] { return std::string("otherwise"); })) : with();
  }

  void settle() {
    for (int i = 0; i < 6; ++i) yield();
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      const ChannelStatistics now = channels_[i].statistics();
      log.push_back(state(i, now.size, now.waiting_senders, now.waiting_receivers));
    }
  }

  std::deque<Channel<int>> channels_;
  std::vector<Task<void>> fibers_;
};

// The program on plain queues.
class Model {
 public:
  // `real`: the log to follow where a select picks.
  Model(const Program& program, const Trace& real) : real_(real) {
    for (const std::size_t capacity : program.capacities) channels_.push_back({capacity});
    for (const Step& step : program.steps) run(step);
  }

  Trace log;

 private:
  struct Place {
    std::size_t id;
    std::size_t at;  // the case
    int value;
  };
  struct Lane {
    std::size_t capacity;
    bool is_closed = false;
    std::deque<int> held = {};
    std::deque<Place> senders = {};
    std::deque<Place> receivers = {};
  };
  struct Fiber {
    const Step* step;
    enum { kNew, kWaiting, kServed } state = kNew;
    bool is_cancelled = false;
    std::string outcome = {};
  };

  void run(const Step& step) {
    switch (step.kind) {
      case Step::kSpawnOne:
      case Step::kSpawnSelect:
        ready_.push_back(fibers_.size());
        return fibers_.push_back({&step});
      case Step::kTry:
        return log.push_back("try " + attempt(step.sides[0]));
      case Step::kClose:
        return close(channels_[step.sides[0].channel]);
      case Step::kCancel:
        if (step.target < fibers_.size()) cancel(step.target);
        return;
      case Step::kSettle:
        return settle();
    }
  }

  std::string text(const Place& place, const std::string& outcome) const {
    const bool is_select = fibers_[place.id].step->kind == Step::kSpawnSelect;
    return is_select && outcome != "closed" ? "case " + std::to_string(place.at) + " " + outcome
                                            : outcome;
  }
  void remove(std::size_t id) {
    for (Lane& lane : channels_) {
      std::erase_if(lane.senders, [id](const Place& place) { return place.id == id; });
      std::erase_if(lane.receivers, [id](const Place& place) { return place.id == id; });
    }
  }
  void end(std::size_t id, std::string outcome) {
    remove(id);
    fibers_[id].state = Fiber::kServed;
    fibers_[id].outcome = std::move(outcome);
    ready_.push_back(id);
  }

  static bool is_ready(const Side& side, const Lane& lane) {
    if (lane.is_closed) return true;
    return side.sends ? !lane.receivers.empty() || lane.held.size() < lane.capacity
                      : !lane.senders.empty() || !lane.held.empty();
  }
  std::string attempt(const Side& side) {
    Lane& lane = channels_[side.channel];
    if (!is_ready(side, lane)) return side.sends ? "would wait" : got(std::nullopt);
    return side.sends ? put(lane, side.value) : got(take(lane));
  }
  std::string put(Lane& lane, int value) {
    if (lane.is_closed) return "closed";
    if (lane.receivers.empty()) {
      lane.held.push_back(value);
    } else {
      const Place place = lane.receivers.front();
      end(place.id, text(place, got(value)));
    }
    return "sent";
  }
  std::optional<int> take(Lane& lane) {
    if (!lane.senders.empty()) {
      const Place place = lane.senders.front();
      lane.held.push_back(place.value);
      end(place.id, text(place, "sent"));
    }
    if (lane.held.empty()) return std::nullopt;
    const int value = lane.held.front();
    lane.held.pop_front();
    return value;
  }
  void close(Lane& lane) {
    lane.is_closed = true;
    while (!lane.receivers.empty()) {
      const Place place = lane.receivers.front();
      end(place.id, text(place, got(std::nullopt)));
    }
    while (!lane.senders.empty()) {
      const Place place = lane.senders.front();
      end(place.id, text(place, "closed"));
    }
  }
  void cancel(std::size_t id) {
    fibers_[id].is_cancelled = true;
    if (fibers_[id].state == Fiber::kWaiting) end(id, "cancelled");
  }

  // What a fiber does when it first runs; nothing when it waits.
  std::optional<std::string> start(std::size_t id) {
    const Step& step = *fibers_[id].step;
    const bool never_waits = step.kind == Step::kSpawnSelect && step.has_otherwise;
    if (fibers_[id].is_cancelled && !never_waits) return "cancelled";
    std::vector<std::size_t> ready;
    for (std::size_t at = 0; at < step.sides.size(); ++at) {
      if (is_ready(step.sides[at], channels_[step.sides[at].channel])) ready.push_back(at);
    }
    if (!ready.empty()) {
      const std::size_t at = chosen(id, ready);
      return text({id, at, 0}, attempt(step.sides[at]));
    }
    if (never_waits) return "otherwise";
    for (std::size_t at = 0; at < step.sides.size(); ++at) {
      const Side& side = step.sides[at];
      Lane& lane = channels_[side.channel];
      (side.sends ? lane.senders : lane.receivers).push_back({id, at, side.value});
    }
    fibers_[id].state = Fiber::kWaiting;
    return std::nullopt;
  }
  // The ready case that the real select picked; the first one if that was none of them.
  std::size_t chosen(std::size_t id, const std::vector<std::size_t>& ready) const {
    for (const std::size_t at : ready) {
      const Side& side = fibers_[id].step->sides[at];
      const bool fails = side.sends && channels_[side.channel].is_closed;
      const std::string begins = line(id, fails ? "closed" : "case " + std::to_string(at) + " ");
      const auto says = [&](const std::string& said) { return said.starts_with(begins); };
      if (std::any_of(real_.begin(), real_.end(), says)) return at;
    }
    return ready.front();
  }

  void settle() {
    while (!ready_.empty()) {
      const std::size_t id = ready_.front();
      ready_.pop_front();
      if (fibers_[id].state == Fiber::kServed) {
        log.push_back(line(id, fibers_[id].outcome));
      } else if (const auto outcome = start(id)) {
        fibers_[id].state = Fiber::kServed;
        log.push_back(line(id, *outcome));
      }
    }
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      const Lane& lane = channels_[i];
      log.push_back(state(i, lane.held.size(), lane.senders.size(), lane.receivers.size()));
    }
  }

  const Trace& real_;
  std::deque<Lane> channels_;
  std::vector<Fiber> fibers_;
  std::deque<std::size_t> ready_;
};

// WEFT_MODEL_PROGRAMS: how many, for a longer search.
std::uint64_t programs() {
  const char* const wanted = std::getenv("WEFT_MODEL_PROGRAMS");
  return wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
}

TEST_CASE("random programs do on channels what they do on a model of plain queues") {
  for (std::uint64_t seed = 1; seed <= programs(); ++seed) {
    CAPTURE(seed);
    const Program program = make_program(seed);
    Trace real;
    RunOptions options;
    options.select_seed = seed;

    test::run([&] { real = Real(program).log; }, {.run = std::move(options)});

    REQUIRE(real == Model(program, real).log);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
