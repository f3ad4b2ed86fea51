// Log: what a program saw while it ran, in order.
//
// Whatever a program can see goes in here: which callback, in which context, with
// which ids, which values. Two runs of one program must write the same log.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weft/ctx/async_id.h>
#include <weft/tests/property/context_model.h>

namespace weft::property {

// An id without its loop's number: every run has a loop of its own.
inline AsyncId in_loop(AsyncId id) noexcept {
  return id & 0x0000'ffff'ffff'ffff;
}

struct LogEntry {
  std::string_view what;  // a literal
  long value = 0;
  AsyncId id = 0;
  AsyncId trigger = 0;
  Context context = {};

  bool operator==(const LogEntry&) const = default;

  std::string text() const {
    return std::string(what) + " " + std::to_string(value) + " in " + std::to_string(id) + " of " +
           std::to_string(trigger) + " " + context.text();
  }
};

class Log {
 public:
  void write(std::string_view what, long value, const Context& context) {
    entries_.push_back(
        {what, value, in_loop(execution_async_id()), in_loop(trigger_async_id()), context});
  }

  std::size_t size() const noexcept { return entries_.size(); }
  bool operator==(const Log&) const = default;

  std::string text(std::size_t index) const {
    return index < entries_.size() ? entries_[index].text() : "(the end)";
  }

  // The first line in which they differ, with what came before.
  std::string difference(const Log& other) const {
    const auto first = std::mismatch(entries_.begin(), entries_.end(), other.entries_.begin(),
                                     other.entries_.end());
    const auto index = static_cast<std::size_t>(first.first - entries_.begin());
    return "line " + std::to_string(index) + " is \"" + text(index) + "\", elsewhere \"" +
           other.text(index) + "\", after \"" + (index == 0 ? "" : text(index - 1)) + "\"";
  }

 private:
  std::vector<LogEntry> entries_;
};

}  // namespace weft::property
