#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/io/testing/memory_stream.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/testing/cancel_everywhere.h>
#include <weft/runtime/testing/run_test.h>
#include <weft/runtime/testing/schedules.h>
#include <weft/runtime/testing/suspends.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::testing::MemoryStream;
using io::testing::MemoryStreamOptions;
using test::Trace;
using testing::assert_no_suspends;
using testing::assert_suspends;
using testing::run_test;
using testing::wait_all_parked;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/memory_stream");

// What one read yields; "end" for the end of the stream.
template <typename Stream>
std::string read_some(Stream& stream) {
  std::array<char, 64> buffer;
  const std::size_t count = stream.read(std::as_writable_bytes(std::span(buffer)));
  return count == 0 ? "end" : std::string(buffer.data(), count);
}

template <typename Stream>
std::string read_all(Stream& stream) {
  std::string text;
  for (std::string part; (part = read_some(stream)) != "end";) text += part;
  return text;
}

template <typename Stream>
void echo(Stream& stream) {
  for (std::string part; (part = read_some(stream)) != "end";) stream.write(part);
  stream.shutdown();
}

std::error_code error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

TEST_CASE("what one end writes the other reads, then the end of the stream") {
  run_test([] {
    auto [client, server] = MemoryStream::pair();
    assert_no_suspends([&, &to = client] { to.write("ping"); });
    client.shutdown();

    CHECK(read_some(server) == "ping");
    CHECK(read_some(server) == "end");
    server.write("pong");
    CHECK(read_some(client) == "pong");
  });
}

TEST_CASE("a server written for any stream serves both kinds") {
  run_test([] {
    auto [client, server] = MemoryStream::pair();
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    const auto serve = [&listener] {
      auto accepted = listener.accept();
      echo(accepted);
    };
    auto in_memory = spawn([peer = std::move(server)]() mutable { echo(peer); });
    auto on_network = spawn(serve);
    auto connected = io::TcpStream::connect("127.0.0.1", listener.port());

    client.write("ping");
    client.shutdown();
    connected.write("ping");
    connected.shutdown();
    CHECK(read_all(client) == "ping");
    CHECK(read_all(connected) == "ping");
  });
}

TEST_CASE("bytes come in pieces of the size chosen") {
  run_test([] {
    auto [client, server] = MemoryStream::pair({.piece_bytes = 2});
    client.write("hello");

    CHECK(read_some(server) == "he");
    CHECK(read_some(server) == "ll");
    CHECK(read_some(server) == "o");
  });
}

TEST_CASE("in lockstep a write returns when all has been read") {
  Trace trace;
  run_test([&] {
    auto streams = MemoryStream::pair({.capacity_bytes = 0, .piece_bytes = 2});
    auto writing = spawn([&] {
      streams.first.write("ping");
      trace.push_back("written");
    });
    wait_all_parked();
    trace.push_back(read_some(streams.second));
    wait_all_parked();
    trace.push_back(read_some(streams.second));
    writing.join();
  });

  CHECK(trace == Trace{"pi", "ng", "written"});
}

TEST_CASE("a write waits while what is unread fills the capacity") {
  run_test([] {
    auto streams = MemoryStream::pair({.capacity_bytes = 4});
    auto writing = spawn([&] { assert_suspends([&] { streams.first.write("12345"); }); });
    wait_all_parked();

    CHECK(read_some(streams.second) == "1234");
    CHECK(read_some(streams.second) == "5");
    writing.join();
  });
}

TEST_CASE("what is delayed arrives later, in order, and its end after it") {
  run_test([] {
    auto [client, server] = MemoryStream::pair({.delay = 50ms});
    const auto began = now();
    client.write("a");
    client.write("b");
    client.close();

    CHECK(read_some(server) == "a");
    CHECK(now() - began == 50ms);
    CHECK(read_all(server) == "b");
  });
}

TEST_CASE("a reset fails both ends and drops what was under way") {
  run_test([] {
    auto streams = MemoryStream::pair();
    auto& [client, server] = streams;
    server.write("lost");
    auto reading = spawn([&] { return error_of([&] { read_some(streams.second); }); });
    wait_all_parked();
    client.reset();

    CHECK(reading.join() == std::errc::connection_reset);
    CHECK(error_of([&] { read_some(streams.first); }) == std::errc::connection_reset);
    CHECK(error_of([&] { streams.first.write("x"); }) == std::errc::connection_reset);
  });
}

TEST_CASE("a connection can be reset in the middle of a write") {
  run_test([] {
    auto streams = MemoryStream::pair({.reset_after_bytes = 6});
    streams.first.write("abc");
    CHECK(read_some(streams.second) == "abc");

    CHECK(error_of([&] { streams.first.write("defg"); }) == std::errc::connection_reset);
    CHECK(error_of([&] { read_some(streams.second); }) == std::errc::connection_reset);
  });
}

TEST_CASE("a close ends what is pending here, and breaks the pipe there") {
  run_test([] {
    auto streams = MemoryStream::pair({.capacity_bytes = 1});
    auto& server = streams.second;
    auto reading = spawn([&] { return error_of([&] { read_some(server); }); });
    auto writing = spawn([&] { return error_of([&] { streams.first.write("long"); }); });
    auto own_writing = spawn([&] { return error_of([&] { server.write("long"); }); });
    sleep_for(1ms);
    auto again = spawn([&] { return error_of([&] { server.write("later"); }); });
    wait_all_parked();
    server.close();

    CHECK(own_writing.join() == std::errc::operation_canceled);
    CHECK(again.join() == std::errc::operation_canceled);
    CHECK(writing.join() == std::errc::broken_pipe);
    reading.join();
    CHECK(error_of([&] { read_some(server); }) == std::errc::bad_file_descriptor);
    CHECK(error_of([&] { server.write("x"); }) == std::errc::bad_file_descriptor);
    CHECK(read_all(streams.first) == "l");
  });
}

TEST_CASE("a stream may be dropped while a fiber reads it") {
  run_test([] {
    std::optional<std::pair<MemoryStream, MemoryStream>> streams = MemoryStream::pair();
    auto reading = spawn([&] { return error_of([&] { read_some(streams->second); }); });
    wait_all_parked();
    streams.reset();

    CHECK(reading.join() == std::errc::operation_canceled);
  });
}

TEST_CASE("misuse is told") {
  run_test([] {
    auto streams = MemoryStream::pair();
    auto& stream = streams.first;
    auto reading = spawn([&] { read_some(stream); });
    wait_all_parked();

    CHECK_THROWS_AS(read_some(stream), UsageError);
    CHECK_THROWS_AS(streams.second.read({}), UsageError);
    stream.shutdown();
    CHECK_THROWS_AS(stream.write("x"), UsageError);
    CHECK_THROWS_AS(MemoryStream::pair({.piece_bytes = 0}), UsageError);
    const MemoryStream elsewhere = std::move(streams.second);
    CHECK_THROWS_AS(streams.second.shutdown(), UsageError);
    reading.cancel();
  });
}

TEST_CASE("a cancelled read loses nothing, a cancelled write closes the stream") {
  run_test([] {
    auto streams = MemoryStream::pair({.capacity_bytes = 2});
    CHECK_FALSE(move_on_after(1ms, [&] { read_some(streams.second); }));
    streams.first.write("ok");
    CHECK(read_some(streams.second) == "ok");

    CHECK_FALSE(move_on_after(1ms, [&] { streams.first.write("long"); }));
    CHECK(streams.first.is_closing());
    CHECK(read_all(streams.second) == "lo");
  });
}

// An echo over a stream of the worst kind; false when it did not echo.
bool echoes(MemoryStreamOptions options) {
  std::string got;
  task_group([&](TaskGroup& group) {
    auto streams = MemoryStream::pair(options);
    group.spawn([peer = std::move(streams.second)]() mutable { echo(peer); });
    auto client = std::make_shared<MemoryStream>(std::move(streams.first));
    group.spawn([client] {
      client->write("hello, ");
      client->write("world");
      client->shutdown();
    });
    got = read_all(*client);
  });
  return got == "hello, world";
}

TEST_CASE("an echo comes back whole under every schedule") {
  MemoryStreamOptions options;
  SUBCASE("in lockstep") {
    options = {.capacity_bytes = 0, .piece_bytes = 3};
  }
  SUBCASE("with little room") {
    options = {.capacity_bytes = 5, .piece_bytes = 2};
  }
  SUBCASE("late") {
    options = {.capacity_bytes = 5, .delay = 2ms};
  }
  testing::for_each_schedule(500, [&] { return echoes(options); });
}

TEST_CASE("an echo can be cancelled anywhere") {
  const auto sweep = testing::cancel_everywhere([] {
    const bool is_whole = echoes({.capacity_bytes = 5, .piece_bytes = 4, .delay = 2ms});
    CHECK(is_whole);
  });

  CHECK(sweep.points > 5);
  CHECK(sweep.cuts >= sweep.points);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
