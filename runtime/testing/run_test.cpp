#include <exception>
#include <map>

#include <weft/ctx/async_local.h>
#include <weft/ctx/hooks.h>
#include <weft/runtime/detail/run_loop.h>
#include <weft/runtime/detail/test_watch.h>
#include <weft/runtime/error.h>
#include <weft/runtime/testing/run_test.h>

namespace weft::testing {
namespace {

using weft::detail::Clock;
using weft::detail::EventLoop;
using weft::detail::TestWatch;

// Marks the context of a body, and sees whether all that it starts has the mark.
class ContextWatch {
 public:
  void run(UniqueFunction<void()>& body) {
    mark_.run(true, [&] {
      hook_.enable();
      body();
    });
  }
  // A line each.
  const std::string& complaints() const noexcept { return complaints_; }
  void stop() { hook_.disable(); }

 private:
  HookCallbacks callbacks() {
    return {.init =
                [this](AsyncId id, std::string_view type, AsyncId, AsyncResource&) {
                  types_.emplace(id, type);
                  if (mark_.get() == nullptr) complain(id, "was begun");
                },
            .before =
                [this](AsyncId id) {
                  if (types_.contains(id) && mark_.get() == nullptr) complain(id, "was called");
                },
            .destroy = [this](AsyncId id) { types_.erase(id); }};
  }
  void complain(AsyncId id, const char* what) {
    complaints_ += "  " + types_[id] + " " + std::to_string(id) + " " + what +
                   " outside of the test's context\n";
  }

  AsyncLocal<bool> mark_{{.name = "weft test"}};
  std::map<AsyncId, std::string> types_;  // of those begun and not destroyed
  std::string complaints_;
  AsyncHook hook_ = create_hook(callbacks());
};

struct Outcome {
  SourceLocation at;  // of the test
  std::exception_ptr failure = {};
  TestWatch watch = {};
  std::string lost_contexts = {};
};

// The body, on the main fiber. Its error ends the run and is kept for the test's stack.
void run_body(UniqueFunction<void()>& body, const TestOptions& options, Outcome& outcome) {
  EventLoop& loop = EventLoop::current("run_test");
  if (options.seed) loop.shuffle(*options.seed);
  if (options.finds_leftovers) loop.set_watch(outcome.watch);
  outcome.watch.ends_when_quiet = !options.real_clock;
  try {
    body();
    outcome.watch.is_body_over = true;
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    outcome.failure = std::current_exception();
    loop.stop(nullptr);
  }
}

// Both clocks, and whatever is thrown where.
void run_whole(UniqueFunction<void()>& body, TestOptions& options, Outcome& outcome) {
  const Clock clock = options.real_clock ? Clock::kReal : Clock::kVirtual;
  RunOptions run = std::move(options.run);
  try {
    weft::detail::run_loop(
        nullptr, [&] { return run_body(body, options, outcome), 0; }, std::move(run), clock,
        outcome.at);
  } catch (...) {
    if (outcome.failure == nullptr) outcome.failure = std::current_exception();
  }
}

void run_watched(UniqueFunction<void()>& body, TestOptions& options, Outcome& outcome) {
  ContextWatch contexts;
  UniqueFunction<void()> marked = [&] { contexts.run(body); };
  run_whole(marked, options, outcome);
  contexts.stop();
  outcome.lost_contexts = contexts.complaints();
}

}  // namespace

void detail::run_test(UniqueFunction<void()> body, TestOptions options, SourceLocation at) {
  const std::int64_t frames_before = weft::detail::thread_state.live_frames;
  Outcome outcome{.at = at};
  options.watches_contexts ? run_watched(body, options, outcome)
                           : run_whole(body, options, outcome);
  if (outcome.failure != nullptr) std::rethrow_exception(std::exchange(outcome.failure, nullptr));
  std::string text;
  if (!outcome.lost_contexts.empty()) text += "contexts were lost:\n" + outcome.lost_contexts;
  if (!outcome.watch.leftovers.empty()) {
    text += "the body is over, and something is left:\n" + outcome.watch.leftovers;
  }
  if (const auto held = weft::detail::thread_state.live_frames - frames_before; held != 0) {
    text += "contexts are still held, by what captured or set them: " + std::to_string(held) + "\n";
  }
  if (!text.empty()) throw TestFailure("run_test: " + text);
}

void wait_all_parked() {
  EventLoop::current("wait_all_parked").wait_all_parked();
}

}  // namespace weft::testing
