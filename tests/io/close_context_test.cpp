// Handles that the context they were made in owns: the end of the close ends them, too.
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/io/io.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/close_context");

// Makes a handle in a context whose value owns it, closes it, and lets the loop turn.
template <typename Make>
Trace close_in_own_context(Make make) {
  using Owner = decltype(make());
  struct Request {
    explicit Request(Trace& of) : trace(of) {}
    ~Request() { trace.push_back("request dies"); }
    Trace& trace;
    std::unique_ptr<Owner> handle;
  };
  const AsyncLocal<std::shared_ptr<Request>> current;
  Trace trace;
  test::run([&] {
    current.run(std::make_shared<Request>(trace), [&] {
      current.value()->handle = std::make_unique<Owner>(make());
      current.value()->handle->close();
    });
    sleep_for(1ms);
    trace.push_back("end");
  });
  return trace;
}

TEST_CASE("a context that owns a handle made in it goes with the end of the close") {
  const Trace expected = {"request dies", "end"};

  CHECK(close_in_own_context([] { return io::TcpListener::bind("127.0.0.1", 0); }) == expected);
  CHECK(close_in_own_context([] { return io::PipeStream::pair().first; }) == expected);
  CHECK(close_in_own_context([] { return io::UdpSocket::bind("127.0.0.1", 0); }) == expected);
  CHECK(close_in_own_context([] { return io::SignalListener::listen({SIGUSR2}); }) == expected);
  CHECK(close_in_own_context([] { return io::FsEvent::watch("/tmp"); }) == expected);
}

// A `before` hook takes the handler away that is about to be called.
TEST_CASE("a handler that a before hook removes is still called, and only then gone") {
  Trace trace;

  test::run([&] {
    auto [left, right] = io::PipeStream::pair();
    const AsyncId id = left.async_id();
    left.on_data([&](auto) { trace.push_back("data"); });
    auto hook = create_hook({.before = [&, at = &left](AsyncId now) {
      if (now == id) at->on_data({});
    }});
    hook.enable();
    right.write("x");
    sleep_for(1ms);
    hook.disable();
    CHECK(trace == Trace{"data"});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
