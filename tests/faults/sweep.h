// for_each_fault: a scenario, once for each fault that can hit it.
//
//   for_each_fault("connect", [](Operations& operations) {
//     auto listener = TcpListener::bind("127.0.0.1", 0);
//     auto peer = TcpStream::connect("127.0.0.1", listener.port());
//   });
//
// The scenario is a body for run_test(). It runs once to count its calls, then once for
// each call of each row (calls.h) and each error of the row, and for each allocation; an
// error that may last (may_last) also from that call on. A run ends; it ends as without the
// fault, or with the fault's error; nothing is left of it: no fiber, handle, context,
// descriptor, or child that has ended; and its operations have ended once (operations.h).
// An interruption and a short read or write are nobody's error.
//
// WEFT_FAULTS in the environment holds words: `all` takes each call of a run, and not only
// some when there are many; `isolated` makes each run in a process of its own, so that all
// crashes of a sweep are told and not the first; `table` prints what came of the faults when
// the program ends.
#pragma once

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include <weft/tests/faults/injector.h>
#include <weft/tests/faults/operations.h>

namespace weft::test {

using Scenario = std::function<void(Operations&)>;

struct SweepOptions {
  bool counts_all_threads = false;  // the pool's, above all
  bool real_clock = false;
  bool stops_on_interrupt = false;
  bool leaves_children = false;  // as a run may
  // Errors that would be nobody's here, as EAGAIN of a file.
  std::vector<std::errc> without = {};
};

// For scenarios of files: what runs on a pool's thread fails as well.
SweepOptions on_threads();

// Fails the test case with a line for each run that went wrong.
void for_each_fault(const std::string& name, const Scenario& scenario, SweepOptions options = {});

}  // namespace weft::test
