// active_resources: what keeps the loop alive, and who waits, for the question why it does
// not end.
//
//   for (const ActiveResource& one : active_resources()) log(one.to_string());
//   // TCPSERVERWRAP 5, open for 3200 ms, created at server.cpp:41
//
// Source: Node `process.getActiveResourcesInfo()`, which tells the types alone.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <weft/ctx/async_id.h>
#include <weft/runtime/source_location.h>

namespace weft {

struct ActiveResource {
  std::string type;  // Node's word: "TCPSERVERWRAP", "Timeout"
  AsyncId async_id = 0;
  AsyncId trigger_async_id = 0;
  std::chrono::milliseconds age{0};  // of a timer, since it was set or refreshed
  SourceLocation created_at;         // an empty file: not known, but the trigger is
  std::string waits_in = {};         // of a fiber: "receive"; its age is not known

  std::string to_string() const;
};

// The handles, timers, immediates and works on a pool that keep the loop alive: not
// those unreferenced, closing, or idle. A write or connect under way is its handle's. And
// each fiber that waits: under a deadline it keeps the loop alive itself. The oldest
// first, by async id.
//
// Context: loop thread
// Errors:  UsageError outside of a loop.
std::vector<ActiveResource> active_resources();

}  // namespace weft
