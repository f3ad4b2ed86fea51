// Life: what happens to the resources of one scenario, as lines.
//
//   life.run([&] {
//     life.als.run("A", [&] { set_timeout(1ms, [&] { life.cb("timeout"); }); });
//   });
//   life.lines(Level::kFull)  // "init Timeout 2 1 1", "before 2", "cb timeout store=A ...", ...
//
// The lines are those of node/harness.js; README.md of this folder explains them. Not
// shown: the main fiber's own events (Node's main script has none), and what runs
// inside hidden().
#pragma once

#include <algorithm>
#include <concepts>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/run.h>
#include <weft/tests/support/trace.h>

namespace weft::test {

// How much of a life is compared.
enum class Level {
  kFull,    // every line
  kPruned,  // without ticks, microtasks, promises and fibers, which show their trigger instead;
            // then the callbacks by label and store
};

class Life {
 public:
  const AsyncLocal<std::string> als;

  Life() = default;
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() = default;

  // Runs `body` on the main fiber of a fresh loop with a virtual clock, and records it.
  template <std::invocable Body>
  void run(Body body, RunOptions options = {}) {
    const auto main = [&] {
      hook_.enable();
      body();
      return 0;
    };
    detail::run_loop(nullptr, main, std::move(options), detail::Clock::kVirtual);
    mark("loop empty");
  }
  // Delivers what was dropped since the loop's end, and stops.
  void end() {
    detail::drain_destroys();
    hook_.disable();
  }

  // The store where this is called, as it is shown.
  std::string store() const {
    const std::string* const value = als.get();
    return value == nullptr ? "undefined" : *value;
  }

  // User code has come to this point.
  void cb(std::string label) {
    events_.push_back(
        {"cb", std::move(label), execution_async_id(), trigger_async_id(), 0, store()});
  }
  void mark(std::string text) { events_.push_back({"--", std::move(text)}); }
  // A line of the scenario's own.
  void line(std::string text) { events_.push_back({"", std::move(text)}); }

  // Calls `fn`; what it makes leaves no line, nor does what that makes outside of visible code.
  template <std::invocable Fn>
  decltype(auto) hidden(Fn fn) {
    struct Quiet {
      int& depth;
      explicit Quiet(int& of) : depth(of) { ++depth; }
      Quiet(const Quiet&) = delete;
      Quiet& operator=(const Quiet&) = delete;
      ~Quiet() { --depth; }
    } const quiet(quiet_);
    return fn();
  }

  Trace lines(Level level) const {
    return level == Level::kFull ? Writer(*this).full() : Writer(*this).pruned();
  }

 private:
  // For "cb", `id` is the running resource and `trigger` its trigger.
  struct Event {
    std::string_view what;
    std::string text = {};  // init: the type
    AsyncId id = 0;
    AsyncId trigger = 0;
    AsyncId exec = 0;
    std::string store = {};
  };

  static bool is_main(AsyncId id) noexcept { return (id & 0x0000'ffff'ffff'ffff) == 1; }

  HookCallbacks callbacks() {
    return {
        .init = [this](AsyncId id, std::string_view type, AsyncId trigger,
                       AsyncResource&) { on_init(id, type, trigger); },
        .before = [this](AsyncId id) { on_event("before", id); },
        .after = [this](AsyncId id) { on_event("after", id); },
        .destroy = [this](AsyncId id) { on_event("destroy", id); },
        .promise_resolve = [this](AsyncId id) { on_event("resolve", id); },
    };
  }

  void on_init(AsyncId id, std::string_view type, AsyncId trigger) {
    const AsyncId exec = execution_async_id();
    const bool is_of_hidden = hidden_.contains(trigger) && (exec == 0 || hidden_.contains(exec));
    if (quiet_ > 0 || is_of_hidden) {
      hidden_.insert(id);
    } else {
      events_.push_back({"init", std::string(type), id, trigger, exec});
    }
  }

  void on_event(std::string_view what, AsyncId id) {
    if (!is_main(id) && !hidden_.contains(id)) events_.push_back({what, "", id});
  }

  // Gives ids the names 2, 3, ... in order of first appearance.
  class Writer {
   public:
    explicit Writer(const Life& life) : life_(life) {}

    Trace full() {
      Trace trace;
      for (const Event& event : life_.events_) trace.push_back(whole(event));
      return trace;
    }

    Trace pruned() {
      Trace trace;
      Trace callbacks;
      for (const Event& event : life_.events_) {
        if (event.what == "cb") {
          callbacks.push_back("cb " + event.text + " store=" + event.store);
        } else if (event.what == "init" && is_pruned(event.text)) {
          instead_.emplace(event.id, visible(event.trigger));
        } else if (event.what != "--" && !instead_.contains(event.id)) {
          trace.push_back(contract(event));
        }
      }
      trace.insert(trace.end(), callbacks.begin(), callbacks.end());
      return trace;
    }

   private:
    static bool is_pruned(std::string_view type) {
      return type == "TickObject" || type == "Microtask" || type == "PROMISE" || type == "FIBER";
    }

    std::string whole(const Event& event) {
      if (event.what.empty()) return event.text;
      if (event.what == "--") return "-- " + event.text;
      if (event.what == "cb") {
        const std::string exec = name(event.id);
        return "cb " + event.text + " store=" + event.store + " exec=" + exec +
               " trigger=" + name(event.trigger);
      }
      if (event.what != "init") return std::string(event.what) + " " + name(event.id);
      const std::string trigger = name(event.trigger);
      const std::string exec = name(event.exec);
      return "init " + event.text + " " + name(event.id, "") + " " + trigger + " " + exec;
    }

    std::string contract(const Event& event) {
      if (event.what != "init") return whole(event);
      const std::string trigger = name(visible(event.trigger));
      return "init " + event.text + " " + name(event.id, "") + " " + trigger;
    }

    AsyncId visible(AsyncId id) const {
      const auto found = instead_.find(id);
      return found == instead_.end() ? id : found->second;
    }

    // `?7`: its init was not seen.
    std::string name(AsyncId id, const char* prefix = "?") {
      if (id == 0) return "0";
      if (is_main(id)) return "1";
      const auto [found, is_new] = names_.try_emplace(id);
      if (is_new) found->second = prefix + std::to_string(names_.size() + 1);
      return found->second;
    }

    const Life& life_;
    std::map<AsyncId, std::string> names_;
    std::map<AsyncId, AsyncId> instead_;  // of what is pruned: the nearest trigger that is not
  };

  std::vector<Event> events_;
  std::set<AsyncId> hidden_;
  int quiet_ = 0;
  AsyncHook hook_ = create_hook(callbacks());
};

}  // namespace weft::test
