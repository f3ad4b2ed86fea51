// IdleTimeout: tells once that nothing was read or written for a while.
//
// It is lazy: activity only notes the time, and the one alarm, when it rings, looks how
// long that is ago and arms itself for the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/detail/timers.h>

namespace weft::detail {

class Stream;

struct IdleTimeout : Alarm {
  IdleTimeout(Stream& of, std::uint64_t delay, UniqueFunction<void()> fn)
      : Alarm(&on_ring), stream(of), callback(std::move(fn)), delay_ms(delay) {
    is_referenced = false;  // silence is no reason to go on
  }

  static void on_ring(Alarm& alarm) noexcept;

  AsyncResource resource{"Timeout"};
  Stream& stream;
  UniqueFunction<void()> callback;
  std::uint64_t delay_ms;
  std::uint64_t active_at_ms = 0;  // the last activity
  std::size_t queued_bytes = 0;    // of writes, when that was looked at last
};

}  // namespace weft::detail
