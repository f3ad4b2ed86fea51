// Trace: the order in which things happened, compared whole at the end of a test.
//
//   Trace trace;
//   local.run("A", [&] { trace.push_back(seen(local)); });
//   CHECK(trace == Trace{"A"});
//
// With it stand the fixture of tests of context and values that tell when they die.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/hook_table.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::test {

struct Trace : std::vector<std::string> {
  using std::vector<std::string>::vector;

  // One line each, so that a failed comparison reads as two listings.
  friend std::ostream& operator<<(std::ostream& out, const Trace& trace) {
    for (const std::string& line : trace) out << "\n    " << line;
    return out << (trace.empty() ? "(nothing)" : "\n ");
  }
};

// What a local of strings shows here; "none" for null.
template <typename Local>
std::string seen(const Local& local) {
  const auto* const value = local.get();
  return value == nullptr ? "none" : *value;
}

// A value that writes its name into a trace when it dies. Moving it moves the duty.
class Mortal {
 public:
  Mortal(Trace& trace, std::string name) : trace_(&trace), name_(std::move(name)) {}
  Mortal(Mortal&& other) noexcept
      : trace_(std::exchange(other.trace_, nullptr)), name_(std::move(other.name_)) {}
  Mortal& operator=(Mortal&&) = delete;
  ~Mortal() {
    if (trace_ != nullptr) trace_->push_back(name_ + " dies");
  }

  const std::string& name() const noexcept { return name_; }

 private:
  Trace* trace_;
  std::string name_;
};

// The fixture of tests without a loop. A test runs as a main fiber would: resource
// 1 is running, ids are fresh, the frame is empty. At its end every frame it made
// is gone and every hook disabled.
class ContextTest {
 public:
  ContextTest() {
    execution_.async_id = detail::next_async_id();
    outer_ = std::exchange(detail::thread_state.execution, &execution_);
  }
  ContextTest(const ContextTest&) = delete;
  ContextTest& operator=(const ContextTest&) = delete;
  ~ContextTest() {
    detail::FrameRef::adopt(std::exchange(execution_.frame, nullptr));
    detail::thread_state.execution = outer_;
    CHECK(detail::thread_state.hook_mask == 0);
    detail::drain_destroys();  // with no hook left to hear them
    CHECK(detail::thread_state.live_frames == frames_before_);
  }

 private:
  std::int64_t frames_before_ = detail::thread_state.live_frames;
  detail::IdSource ids_;
  detail::Execution execution_;
  detail::Execution* outer_ = nullptr;
};

}  // namespace weft::test
