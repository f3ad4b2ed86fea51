#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/io/pass_handle.h>
#include <weft/io/pipe.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::PipeListener;
using io::PipeStream;
using test::HookRecorder;
using test::TempDir;
using test::Trace;

using Bytes = std::span<const std::byte>;

// What Node's graph tests leave out as well, and fibers.
const HookRecorder::Options kHidden{{"FIBER", "TickObject", "Microtask", "Immediate", "Timeout"}};

// The main fiber, id 1, has lines even while its type is hidden.
Trace without_main(const Trace& trace) {
  Trace kept;
  std::copy_if(trace.begin(), trace.end(), std::back_inserter(kept), [](const std::string& line) {
    return line != "before 1" && line != "after 1" && line != "resolve 1" && line != "destroy 1";
  });
  return kept;
}

TEST_SUITE_BEGIN("io/pipe_hooks");

// A server that ends each connection at once, and a client that closes when it sees the end.
// Node's test-graph.pipeconnect and test-pipeconnectwrap.
TEST_CASE("a connection over a path has Node's resources, in Node's order") {
  const TempDir dir;
  HookRecorder recorder(kHidden);
  std::optional<PipeListener> listener;
  std::optional<PipeStream> server;
  std::optional<PipeStream> client;

  test::run([&] {
    listener = PipeListener::bind(dir.path("s"));
    listener->on_connection([&](PipeStream connection) {
      listener->close();
      server = std::move(connection);
      server->shutdown([&](Result<void>) { server->close(); });
    });
    PipeStream::connect(dir.path("s"), [&](Result<PipeStream> connection) {
      client = std::move(connection).value();
      client->on_data([](Bytes) {});
      client->on_end([&] { client->close(); });
    });
  });

  CHECK(without_main(recorder.trace()) == Trace{"init PIPESERVERWRAP 2 0",
                                                "init PIPEWRAP 3 0",
                                                "init PIPECONNECTWRAP 4 3",
                                                "before 4",
                                                "after 4",
                                                "init PIPEWRAP 5 2",
                                                "before 2",
                                                "init SHUTDOWNWRAP 6 5",
                                                "after 2",
                                                "before 6",
                                                "after 6",
                                                "destroy 4",
                                                "destroy 6",
                                                "before 5",
                                                "after 5",
                                                "before 3",
                                                "after 3",
                                                "destroy 5",
                                                "destroy 2",
                                                "before 3",
                                                "after 3",
                                                "destroy 3"});
}

TEST_CASE("handlers of a pipe see the context of the call that set them") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    const auto note = [&](const std::string& what) {
      return [&, what](auto&&...) { trace.push_back(what + " for " + test::seen(who)); };
    };
    who.run("data", [&, &to = right] { to.on_data(note("data")); });
    who.run("end", [&, &to = right] {
      to.on_end([&, said = note("end")] {
        said();
        to.close();
      });
    });
    who.run("close", [&, &to = right] { to.on_close(note("close")); });
    who.run("write", [&, &to = left] { to.write("text", note("written")); });
    who.run("shutdown", [&, &to = left] { to.shutdown(note("shut down")); });
    right.wait_closed();
  });

  std::sort(trace.begin(), trace.end());  // which descriptor is ready first is the kernel's
  CHECK(trace == Trace{"close for close", "data for data", "end for end", "shut down for shutdown",
                       "written for write"});
}

TEST_CASE("what carries a handle is a resource of the pipe it is sent over") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    io::pass_handle(sender, receiver, std::as_bytes(std::span("x", 1)));
    test::read_some(receiver);
    io::take_handle(receiver);
  });

  Trace made;
  for (const std::string& line : recorder.trace()) {
    if (line.starts_with("init")) made.push_back(line);
  }
  CHECK(made == Trace{"init PIPEWRAP 2 0", "init PIPEWRAP 3 0", "init PIPEWRAP 4 2",
                      "init WRITEWRAP 5 2", "init PIPEWRAP 6 3"});
}

}  // namespace
}  // namespace weft
