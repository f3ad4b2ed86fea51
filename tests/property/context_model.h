// Context: what every local should show, as plain data beside the program.
//
// The oracle of context. It knows the rules (what work inherits of each local) and
// nothing of frames; Locals are the real thing, which it is compared with.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <weft/ctx/async_local.h>

namespace weft::property {

inline constexpr std::size_t kLocals = 5;
inline constexpr int kNone = -1;  // get() answers null

enum Kind : std::size_t { kPlain, kWithDefault, kNotInherited, kForked, kSecondPlain };

inline constexpr int kDefault = 77;
inline int forked(int value) noexcept {
  return (value * 31 + 7) & 0xffff;
}

struct Context {
  std::array<int, kLocals> values = {kNone, kDefault, kNone, kNone, kNone};

  // Outside of every run().
  static int unset(std::size_t local) noexcept { return local == kWithDefault ? kDefault : kNone; }

  // What work started here sees.
  Context inherited() const noexcept {
    Context child = *this;
    child.values[kNotInherited] = kNone;
    int& fork = child.values[kForked];
    if (fork != kNone) fork = forked(fork);
    return child;
  }

  bool operator==(const Context&) const = default;

  std::string text() const {
    std::string line;
    for (const int value : values) line += value == kNone ? " -" : " " + std::to_string(value);
    return "[" + line.substr(1) + "]";
  }
};

class Locals {
 public:
  const AsyncLocal<int>& at(std::size_t local) const noexcept { return *all_[local]; }

  // What they show here.
  Context seen() const {
    Context context;
    for (std::size_t i = 0; i < kLocals; ++i) {
      const int* const value = all_[i]->get();
      context.values[i] = value == nullptr ? kNone : *value;
    }
    return context;
  }

 private:
  AsyncLocal<int> plain_{{.name = "plain"}};
  AsyncLocal<int> with_default_{{.name = "with default", .default_value = kDefault}};
  AsyncLocal<int> not_inherited_{{.name = "not inherited", .inherit = Inherit::kNo}};
  AsyncLocal<int> forked_{
      {.name = "forked", .fork = [](const int& value) { return forked(value); }}};
  AsyncLocal<int> second_plain_{{.name = "second plain"}};
  const std::array<const AsyncLocal<int>*, kLocals> all_ = {
      &plain_, &with_default_, &not_inherited_, &forked_, &second_plain_};
};

}  // namespace weft::property
