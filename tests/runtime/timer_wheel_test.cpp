#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include <weft/runtime/detail/timer_wheel.h>

namespace weft::detail {
namespace {

TEST_SUITE_BEGIN("runtime/timer_wheel");

using Node = TimerWheel::Node;

std::vector<const Node*> pop_all(TimerWheel& wheel, std::uint64_t now_ms) {
  std::vector<const Node*> due;
  while (const Node* node = wheel.pop_due(now_ms)) due.push_back(node);
  return due;
}

// A wheel and what it should do: deadlines in order, those of one in the order armed.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {}

  // Deadlines near and far, so that every level is used.
  void arm() {
    auto& node = nodes_.emplace_back(std::make_unique<Node>());
    const std::uint64_t range = std::uint64_t{1} << (random_() % 40);
    const std::uint64_t deadline = wheel_.time_ms() + 1 + random_() % range;
    wheel_.arm(*node, deadline);
    armed_.emplace(deadline, node.get());
  }
  void cancel() {
    if (armed_.empty()) return;
    const auto chosen = std::next(armed_.begin(), static_cast<int>(random_() % armed_.size()));
    wheel_.cancel(*chosen->second);
    CHECK_FALSE(chosen->second->is_armed());
    armed_.erase(chosen);
  }
  void advance() {
    const std::uint64_t now = wheel_.time_ms() + random_() % (std::uint64_t{1} << (random_() % 36));
    std::vector<const Node*> expected;
    const auto end = armed_.upper_bound(now);
    for (auto due = armed_.begin(); due != end; ++due) expected.push_back(due->second);
    armed_.erase(armed_.begin(), end);
    CHECK((pop_all(wheel_, now) == expected));
    CHECK(wheel_.time_ms() == now);
  }
  void check_next() const {
    CHECK(wheel_.is_empty() == armed_.empty());
    const std::uint64_t next = wheel_.next_event_ms();
    if (armed_.empty()) {
      CHECK(next == TimerWheel::kNever);
    } else {
      CHECK(next > wheel_.time_ms());
      CHECK(next <= armed_.begin()->first);
    }
  }

  std::uint64_t random(std::uint64_t below) { return random_() % below; }

 private:
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Node>> nodes_;
  TimerWheel wheel_;
  std::multimap<std::uint64_t, Node*> armed_;
};

TEST_CASE("the wheel does what a sorted list of deadlines does") {
  for (const std::uint64_t seed : {1UL, 2UL, 3UL, 4UL, 5UL}) {
    CAPTURE(seed);
    Model model(seed);
    for (int step = 0; step < 4000; ++step) {
      const std::uint64_t choice = model.random(10);
      if (choice < 5) {
        model.arm();
      } else if (choice < 8) {
        model.cancel();
      } else {
        model.advance();
      }
      model.check_next();
    }
  }
}

TEST_CASE("nodes of one deadline come out in the order armed, from whatever level they descend") {
  for (const std::uint64_t deadline : {5U, 64U, 70U, 4096U, 5000U, 300'000U, 20'000'000U}) {
    CAPTURE(deadline);
    TimerWheel wheel;
    std::array<Node, 4> nodes;

    wheel.arm(nodes[0], deadline);
    wheel.arm(nodes[1], deadline);
    CHECK(wheel.pop_due(deadline - 3) == nullptr);
    wheel.arm(nodes[2], deadline);
    CHECK(wheel.pop_due(deadline - 1) == nullptr);
    wheel.arm(nodes[3], deadline);

    CHECK((pop_all(wheel, deadline) ==
           std::vector<const Node*>{&nodes[0], &nodes[1], &nodes[2], &nodes[3]}));
  }
}

TEST_CASE("a deadline that has passed comes out at the next millisecond") {
  TimerWheel wheel;
  std::array<Node, 2> nodes;
  CHECK(wheel.pop_due(1000) == nullptr);

  wheel.arm(nodes[0], 10);
  wheel.arm(nodes[1], 1000);

  CHECK(nodes[0].deadline_ms() == 1001);
  CHECK(wheel.pop_due(1000) == nullptr);
  CHECK((pop_all(wheel, 1001) == std::vector<const Node*>{&nodes[0], &nodes[1]}));
}

TEST_CASE("nodes of due deadlines may be cancelled and armed while the others are taken out") {
  TimerWheel wheel;
  std::array<Node, 4> nodes;
  for (Node& node : nodes) wheel.arm(node, 7);

  CHECK(wheel.pop_due(7) == &nodes[0]);
  wheel.cancel(nodes[1]);
  wheel.arm(nodes[0], 7);

  CHECK((pop_all(wheel, 7) == std::vector<const Node*>{&nodes[2], &nodes[3]}));
  CHECK(wheel.pop_due(8) == &nodes[0]);
  CHECK(wheel.is_empty());
}

TEST_CASE("the farthest deadline is 2^48 - 1 milliseconds away") {
  TimerWheel wheel;
  Node node;

  wheel.arm(node, TimerWheel::kNever - 1);

  CHECK(node.deadline_ms() == TimerWheel::kLongestMs);
  CHECK(wheel.pop_due(TimerWheel::kLongestMs - 1) == nullptr);
  CHECK(wheel.pop_due(TimerWheel::kLongestMs) == &node);
}

TEST_CASE("pop_any takes out every node") {
  TimerWheel wheel;
  std::array<Node, 5> nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) wheel.arm(nodes[i], 1U << (7 * i));

  int taken = 0;
  while (wheel.pop_any() != nullptr) ++taken;

  CHECK(taken == 5);
  CHECK(wheel.is_empty());
  for (const Node& node : nodes) CHECK_FALSE(node.is_armed());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft::detail
