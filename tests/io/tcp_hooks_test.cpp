#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::HookRecorder;
using test::Trace;

using Bytes = std::span<const std::byte>;

// What Node's graph tests leave out as well, and fibers.
const HookRecorder::Options kHidden{{"FIBER", "TickObject", "Microtask", "Immediate", "Timeout"}};

std::string read_some(TcpStream& stream, std::size_t size) {
  std::string text(size, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

void settle() {
  for (int turn = 0; turn < 5; ++turn) {
    await<int>(
        [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
  }
}

// The main fiber, id 1, has lines even while its type is hidden; what it triggers shows 0.
Trace without_main(const Trace& trace) {
  Trace kept;
  std::copy_if(trace.begin(), trace.end(), std::back_inserter(kept), [](const std::string& line) {
    return line != "before 1" && line != "after 1" && line != "resolve 1" && line != "destroy 1";
  });
  return kept;
}

TEST_SUITE_BEGIN("io/tcp_hooks");

// Node's scenario tcp-echo. Node's server and client are triggered by the main script and by the
// server's 'listening' event, ours by the hidden main fiber.
TEST_CASE("an echo in callback style has Node's events") {
  HookRecorder recorder(kHidden);
  std::optional<TcpListener> listener;
  std::optional<TcpStream> server;
  std::optional<TcpStream> client;
  const auto serve = [&](TcpStream connection) {
    server = std::move(connection);
    server->on_data([&](Bytes bytes) { server->write(bytes, {}); });
    server->on_end([&] { server->shutdown([&](Result<void>) { server->close(); }); });
    server->on_close([] {});
  };
  const auto talk = [&](Result<TcpStream> stream) {
    client = std::move(stream).value();
    client->on_data([&](Bytes) { client->shutdown([](Result<void>) {}); });
    client->on_end([&] { client->close(); });
    client->on_close([&] { listener->close(); });
    client->write("hi", {});
  };

  test::run([&] {
    listener = TcpListener::bind("127.0.0.1", 0);
    listener->on_connection(serve);
    TcpStream::connect("127.0.0.1", listener->port(), talk);
  });

  CHECK(without_main(recorder.trace()) == Trace{"init TCPSERVERWRAP 2 0",
                                                "init TCPWRAP 3 0",
                                                "init TCPCONNECTWRAP 4 3",
                                                "init TCPWRAP 5 2",
                                                "before 2",
                                                "after 2",
                                                "before 4",
                                                "after 4",
                                                "destroy 4",
                                                "before 5",
                                                "after 5",
                                                "before 3",
                                                "init SHUTDOWNWRAP 6 3",
                                                "after 3",
                                                "before 6",
                                                "after 6",
                                                "destroy 6",
                                                "before 5",
                                                "after 5",
                                                "init SHUTDOWNWRAP 7 5",
                                                "before 7",
                                                "after 7",
                                                "destroy 7",
                                                "before 5",
                                                "after 5",
                                                "before 3",
                                                "after 3",
                                                "destroy 5",
                                                "before 3",
                                                "after 3",
                                                "destroy 3",
                                                "destroy 2"});
}

TEST_CASE("an echo between fibers has the same resources") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    spawn([&] {
      auto server = listener.accept();
      server.write(read_some(server, 10));
      CHECK(read_some(server, 10).empty());
    });
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    client.write("hi");
    CHECK(read_some(client, 10) == "hi");
    client.shutdown();
    CHECK(read_some(client, 10).empty());
  });

  CHECK(without_main(recorder.trace()) == Trace{"init TCPSERVERWRAP 2 0",
                                                "init TCPWRAP 3 0",
                                                "init TCPCONNECTWRAP 4 3",
                                                "init TCPWRAP 5 2",
                                                "before 2",
                                                "after 2",
                                                "before 4",
                                                "after 4",
                                                "destroy 4",
                                                "before 5",
                                                "after 5",
                                                "before 3",
                                                "after 3",
                                                "init SHUTDOWNWRAP 6 3",
                                                "before 6",
                                                "after 6",
                                                "destroy 6",
                                                "before 5",
                                                "after 5",
                                                "before 5",
                                                "after 5",
                                                "before 3",
                                                "after 3",
                                                "destroy 5",
                                                "before 3",
                                                "after 3",
                                                "destroy 2",
                                                "destroy 3"});
}

TEST_CASE("a connect by name is a lookup and then a connect, both triggered by the stream") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    recorder.take();
    TcpStream::connect("localhost", listener.port(), [&](Result<TcpStream>) {});
    listener.accept();
    settle();
  });

  CHECK(without_main(recorder.trace()) ==
        Trace{"init TCPWRAP 3 0", "init GETADDRINFOREQWRAP 4 3", "before 4",
              "init TCPCONNECTWRAP 5 3", "after 4", "destroy 4", "init TCPWRAP 6 2", "before 2",
              "after 2", "before 5", "after 5", "destroy 5", "before 3", "after 3", "before 6",
              "after 6", "destroy 3", "destroy 6", "destroy 2"});
}

TEST_CASE("a write the kernel takes at once is no resource; one it does not take is") {
  HookRecorder recorder(kHidden);
  const std::string large(16 * 1024 * 1024, 'x');

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    auto server = listener.accept();
    settle();
    recorder.take();
    client.write("small");
    client.write("small", [](Result<void>) {});
    settle();
    CHECK(without_main(recorder.take()) == Trace{});
    client.write(large, [](Result<void>) {});
    recorder.note("write returned");
    spawn([&] {
      for (std::size_t got = 0; got < large.size();) got += read_some(server, 1 << 20).size();
      client.close();
    });
    client.wait_closed();
  });
  const Trace& trace = recorder.trace();
  Trace writes;
  std::copy_if(trace.begin(), trace.end(), std::back_inserter(writes),
               [](const std::string& line) { return line.find(" 6") != std::string::npos; });

  CHECK(trace.front() == "init WRITEWRAP 6 3");
  CHECK(writes == Trace{"init WRITEWRAP 6 3", "before 6", "after 6", "destroy 6"});
}

TEST_CASE("the tick of what a stream did at once is triggered by what called it") {
  std::function<void(TcpStream&, Callback<void>)> act;
  SUBCASE("a write") {
    act = [](TcpStream& stream, Callback<void> done) { stream.write("x", std::move(done)); };
  }
  SUBCASE("a second shutdown") {
    act = [](TcpStream& stream, Callback<void> done) {
      stream.shutdown();
      stream.shutdown(std::move(done));
    };
  }
  SUBCASE("a write to a closed stream") {
    act = [](TcpStream& stream, Callback<void> done) {
      stream.close();
      stream.write("x", std::move(done));
    };
  }
  AsyncId caller = 0;
  AsyncId trigger = 0;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    spawn([&] {
      caller = execution_async_id();
      act(client, [&](const Result<void>&) { trigger = trigger_async_id(); });
    }).join();
    settle();
  });

  CHECK(caller != 0);
  CHECK(trigger == caller);
}

TEST_CASE("what starts behind bind is triggered by its caller") {
  test::run([] {
    const auto listener = TcpListener::bind("127.0.0.1", 0);
    const AsyncResource started("STARTED");
    CHECK(started.trigger_async_id() == execution_async_id());
  });
}

TEST_CASE("a failed connect and a failed bind leave no resource behind") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    TcpStream::connect("127.0.0.1", 1, [](Result<TcpStream>) {});
    settle();
    const auto listener = TcpListener::bind("127.0.0.1", 0);
    CHECK_THROWS_AS(TcpListener::bind("127.0.0.1", listener.port()), std::system_error);
  });

  CHECK(without_main(recorder.trace()) ==
        Trace{"init TCPWRAP 2 0", "init TCPCONNECTWRAP 3 2", "before 3", "after 3", "destroy 3",
              "before 2", "after 2", "destroy 2", "init TCPSERVERWRAP 4 0",
              "init TCPSERVERWRAP 5 0", "destroy 4", "destroy 5"});
}

TEST_CASE("every resource of a run that is stopped midway has one init and one destroy") {
  std::map<AsyncId, int> inits;
  std::map<AsyncId, int> destroys;
  auto hook = create_hook(
      {.init = [&](AsyncId id, std::string_view, AsyncId, AsyncResource&) { ++inits[id]; },
       .destroy = [&](AsyncId id) { ++destroys[id]; }});
  hook.enable();
  std::array<std::byte, 1> buffer{};

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("localhost", listener.port());
    auto server = listener.accept();
    client.write(std::string(16 * 1024 * 1024, 'x'), [](Result<void>) {});
    client.shutdown([](Result<void>) {});
    client.read(buffer, [](Result<std::size_t>) {});
    TcpStream::connect("127.0.0.1", listener.port(), [](Result<TcpStream>) {});
    Loop::current().stop();
    listener.accept();
  });

  CHECK(inits.size() >= 10);
  CHECK(inits == destroys);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
