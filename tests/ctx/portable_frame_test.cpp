// A context on its way to another thread.
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/capture.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using detail::FrameRef;
using detail::PortableFrame;
using test::ContextTest;
using test::seen;
using test::Trace;

PortableFrame capture_portable() {
  return PortableFrame::capture(detail::thread_state.execution->frame);
}

// Runs `fn` in `frame` as the work of this thread.
template <typename F>
void run_in(FrameRef frame, F&& fn) {
  detail::Execution execution;
  execution.frame = std::move(frame).release();
  detail::Execution* const outer = std::exchange(detail::thread_state.execution, &execution);
  fn();
  detail::thread_state.execution = outer;
  FrameRef::adopt(execution.frame);
}

// Counts the deaths of values, on any thread.
struct Counted {
  std::atomic<int>* deaths;
  explicit Counted(std::atomic<int>& into) : deaths(&into) {}
  Counted(Counted&& other) noexcept : deaths(std::exchange(other.deaths, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (deaths != nullptr) ++*deaths;
  }
};

TEST_SUITE_BEGIN("ctx/portable_frame");

TEST_CASE_FIXTURE(ContextTest, "a portable frame carries every value to another thread") {
  const AsyncLocal<std::string> first;
  const AsyncLocal<std::string> second;
  Trace trace;

  first.run("A", [&] {
    second.run("B", [&] {
      std::thread([&, frame = capture_portable()]() mutable {
        run_in(std::move(frame).take(), [&] { trace.push_back(seen(first) + seen(second)); });
        trace.push_back(seen(first));
      }).join();
    });
  });

  CHECK(trace == Trace{"AB", "none"});
}

TEST_CASE_FIXTURE(ContextTest, "a portable frame of the empty context is the empty context") {
  std::thread([frame = PortableFrame::capture(nullptr)]() mutable {
    CHECK(std::move(frame).take().get() == nullptr);
  }).join();
}

TEST_CASE_FIXTURE(ContextTest, "a portable frame obeys what its locals say of inheritance") {
  const AsyncLocal<std::string> secret({.inherit = Inherit::kNo});
  const AsyncLocal<std::string> span(
      {.fork = [](const std::string& parent) { return parent + ".child"; }});
  Trace trace;

  secret.run("S", [&] {
    span.run("A", [&] {
      std::thread([&, frame = capture_portable()]() mutable {
        run_in(std::move(frame).take(), [&] {
          trace.push_back(seen(secret));
          trace.push_back(seen(span));
        });
      }).join();
    });
    CHECK(capture_portable().take().get() == nullptr);
  });

  CHECK(trace == Trace{"none", "A.child"});
}

TEST_CASE_FIXTURE(ContextTest, "a portable frame that nobody takes drops its values") {
  std::atomic<int> deaths = 0;
  const AsyncLocal<Counted> local;

  local.run(Counted(deaths), [&] { const PortableFrame dropped = capture_portable(); });

  CHECK(deaths == 1);
}

TEST_CASE_FIXTURE(ContextTest, "each thread counts the frames it holds") {
  const AsyncLocal<std::string> local;
  std::int64_t held = 0;
  std::int64_t left = 0;

  local.run("A", [&] {
    std::thread([&, frame = capture_portable()]() mutable {
      const std::int64_t before = detail::thread_state.live_frames;
      {
        const FrameRef taken = std::move(frame).take();
        held = detail::thread_state.live_frames - before;
      }
      left = detail::thread_state.live_frames - before;
    }).join();
  });

  CHECK(held == 1);
  CHECK(left == 0);
}

TEST_CASE_FIXTURE(ContextTest, "a value dies once, whichever of many threads drops it last") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 1000;
  std::atomic<int> deaths = 0;
  std::atomic<int> wrong = 0;
  const AsyncLocal<Counted> local;
  std::vector<std::thread> threads;

  local.run(Counted(deaths), [&] {
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, frame = capture_portable()]() mutable {
        run_in(std::move(frame).take(), [&] {
          for (int round = 0; round < kRounds; ++round) {
            run_in(capture_portable().take(), [&] { wrong += local.get() == nullptr; });
          }
        });
      });
    }
    for (int round = 0; round < kRounds; ++round) {
      local.exit([&] { wrong += local.get() != nullptr; });
      const PortableFrame again = capture_portable();
    }
  });
  for (std::thread& thread : threads) thread.join();

  CHECK(wrong == 0);
  CHECK(deaths == 1);
}

TEST_CASE_FIXTURE(ContextTest, "locals are made, used and dropped on several threads at once") {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;

  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&wrong, i] {
      for (int round = 0; round < 1000; ++round) {
        const AsyncLocal<int> local;
        local.run(i, [&] { wrong += local.value() != i; });
        wrong += local.get() != nullptr;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(ContextTest,
                  "a value of a thread that ends may still look around and set locals") {
  static const AsyncLocal<std::string> local;
  static std::string last_words;
  struct Busy {
    bool armed = true;
    Busy() = default;
    Busy(Busy&& other) noexcept : armed(std::exchange(other.armed, false)) {}
    ~Busy() {
      if (armed) local.run("set", [] { last_words = seen(local); });
    }
  };
  static const AsyncLocal<Busy> busy;

  std::thread([] {
    local.enter_with("A");
    busy.enter_with(Busy());
  }).join();

  CHECK(last_words == "set");
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
