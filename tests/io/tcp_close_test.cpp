#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Trace;
using namespace std::chrono_literals;

struct Pair {
  TcpStream client;
  TcpStream server;
};

Pair make_pair() {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  auto client = TcpStream::connect("127.0.0.1", listener.port());
  return {std::move(client), listener.accept()};
}

std::string read_some(TcpStream& stream) {
  std::string text(1000, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

void next_turn() {
  await<int>(
      [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
}

TEST_SUITE_BEGIN("io/tcp_close");

TEST_CASE("a stream that was shut down still reads") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&, stream = std::move(server)]() mutable {
      trace.push_back("server read " + read_some(stream));
      trace.push_back("server read the end" + read_some(stream));
      stream.write("answer");
    });
    client.write("question");
    client.shutdown();
    trace.push_back("client read " + read_some(client));
    trace.push_back("client read the end" + read_some(client));
  });

  CHECK(trace == Trace{"server read question", "server read the end", "client read answer",
                       "client read the end"});
}

TEST_CASE("shutdown waits until the writes before it are done") {
  const std::string large(16 * 1024 * 1024, 'x');
  std::size_t got = 0;
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write(large, [&](Result<void>) { trace.push_back("written"); });
    auto reader = spawn([&, &stream = server] {
      for (std::string part; !(part = read_some(stream)).empty();) got += part.size();
    });
    client.shutdown();
    trace.push_back("shut down");
    reader.join();
  });

  CHECK(trace == Trace{"written", "shut down"});
  CHECK(got == large.size());
}

TEST_CASE("a second shutdown does nothing") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    const auto note = [&](Result<void> result) {
      trace.push_back(result ? "done" : result.message());
    };
    client.shutdown(note);
    client.shutdown(note);
    client.shutdown();
    trace.push_back("fiber");
    CHECK(read_some(server).empty());
  });

  CHECK(trace == Trace{"fiber", "done", "done"});
}

TEST_CASE("a second close does nothing, and on_close's handler is called once") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.on_close([&] { trace.push_back("closed"); });
    CHECK_FALSE(client.is_closing());
    client.close();
    client.close();
    CHECK(client.is_closing());
    trace.push_back("close returned");
    client.wait_closed();
    client.close();
    CHECK(read_some(server).empty());
  });

  CHECK(trace == Trace{"close returned", "closed"});
}

TEST_CASE("waiting for the close of a closed stream returns at once, as often as one likes") {
  test::run([] {
    auto [client, server] = make_pair();
    client.close();

    client.wait_closed();
    client.wait_closed();
    client.wait_closed();
  });
}

TEST_CASE("a stream may be dropped by the fiber that waited for its close") {
  Trace trace;

  test::run([&] {
    auto [stream, server] = make_pair();
    auto client = std::make_optional(std::move(stream));
    client->close();
    client->wait_closed();
    client.reset();
    trace.push_back("dropped");
  });

  CHECK(trace == Trace{"dropped"});
}

TEST_CASE("a fiber cancelled while it waits for a close ends, and another may wait after it") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    auto waits = spawn([&, &stream = client] {
      try {
        stream.wait_closed();
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    yield();
    waits.cancel();
    CHECK_THROWS_AS(waits.join(), std::system_error);
    CHECK_FALSE(client.is_closing());
    client.close();
    client.wait_closed();
    trace.push_back("closed");
  });

  CHECK(trace == Trace{"cancelled", "closed"});
}

TEST_CASE("a tick that refers to a stream runs before its close, even when the budget is spent") {
  Trace trace;

  test::run(
      [&] {
        auto [client, stream] = make_pair();
        auto server = std::make_optional(std::move(stream));
        client.write("a");
        CHECK(read_some(*server) == "a");
        client.write("kept until somebody asks");
        for (int turn = 0; turn < 5; ++turn) next_turn();
        spawn([] {
          for (int i = 0; i < 10; ++i) yield();
        });
        yield();
        server->on_close([&] { trace.push_back("closed"); });
        server->on_data([](std::span<const std::byte>) { FAIL("dropped"); });
        next_tick([&] { trace.push_back("tick"); });
        server.reset();
        yield();
      },
      {.run = {.resume_budget = 1}});

  CHECK(trace == Trace{"tick", "closed"});
}

TEST_CASE("dropping a stream, or moving another into it, closes it") {
  test::run([] {
    auto [client, server] = make_pair();
    auto [other_client, other_server] = make_pair();

    client = std::move(other_client);
    CHECK(read_some(server).empty());
    client.write("by the other");
    CHECK(read_some(other_server) == "by the other");
    { const TcpStream dropped = std::move(client); }
    CHECK(read_some(other_server).empty());
  });
}

TEST_CASE("moving a stream moves its handlers and its pending read") {
  std::array<std::byte, 10> buffer{};
  Trace trace;

  test::run([&] {
    auto [client, first] = make_pair();
    first.on_close([&] { trace.push_back("closed"); });
    first.read(buffer, [&](Result<std::size_t> count) {
      trace.push_back("read " + std::to_string(count.value()));
    });
    auto second = std::move(first);
    client.write("abc");
    for (int turn = 0; turn < 5; ++turn) next_turn();
    second.close();
    second.wait_closed();
  });

  CHECK(trace == Trace{"read 3", "closed"});
}

TEST_CASE("a stream that was moved from says so") {
  test::run([] {
    auto [client, server] = make_pair();
    const auto kept = std::move(client);
    std::array<std::byte, 1> buffer{};

    CHECK_THROWS_WITH_AS(client.read(buffer), "read: this object was moved from", UsageError);
    CHECK_THROWS_AS(client.read(buffer, [](Result<std::size_t>) {}), UsageError);
    CHECK_THROWS_AS(client.write("a"), UsageError);
    CHECK_THROWS_AS(client.write("a", {}), UsageError);
    CHECK_THROWS_AS(client.shutdown(), UsageError);
    CHECK_THROWS_AS(client.wait_closed(), UsageError);
    CHECK_THROWS_AS(client.on_data({}), UsageError);
    CHECK_THROWS_AS(client.pause(), UsageError);
    CHECK_THROWS_AS(client.ref(), UsageError);
    CHECK_THROWS_AS(static_cast<void>(client.peer_address()), UsageError);
    CHECK_THROWS_AS(static_cast<void>(client.async_id()), UsageError);
    CHECK(client.is_closing());
    client.close();
  });
}

TEST_CASE("a listener that was moved from says so") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const auto kept = std::move(listener);

    CHECK_THROWS_WITH_AS(listener.accept(), "accept: this object was moved from", UsageError);
    CHECK_THROWS_AS(listener.on_connection({}), UsageError);
    CHECK_THROWS_AS(static_cast<void>(listener.port()), UsageError);
    CHECK_THROWS_AS(listener.wait_closed(), UsageError);
    CHECK(listener.is_closing());
    listener.close();
  });
}

TEST_CASE("use on another thread is a usage error that says what to do") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto [client, server] = make_pair();
    std::thread([&, &stream = client] {
      CHECK_THROWS_WITH_AS(
          stream.write("a", {}),
          "write: this object belongs to the loop of another thread; Loop::post() there",
          UsageError);
      CHECK_THROWS_AS(stream.on_data({}), UsageError);
      CHECK_THROWS_AS(listener.accept([](Result<TcpStream>) {}), UsageError);
      CHECK_THROWS_AS(static_cast<void>(listener.port()), UsageError);
    }).join();
  });
}

TEST_CASE("options may be set at any time of a stream's life") {
  test::run([] {
    auto [client, server] = make_pair();

    client.set_no_delay(true);
    client.set_no_delay(false);
    client.set_keep_alive(true);
    client.set_keep_alive(true, 1s);
    client.set_keep_alive(true, 1h);
    client.set_keep_alive(false);
    client.write("still connected");
    CHECK(read_some(server) == "still connected");
  });
}

TEST_CASE("keeping alive after less than a second is a usage error") {
  test::run([] {
    auto [client, server] = make_pair();

    CHECK_THROWS_AS(client.set_keep_alive(true, 0s), UsageError);
    CHECK_THROWS_AS(client.set_keep_alive(true, -1s), UsageError);
    client.set_keep_alive(false, 0s);
  });
}

TEST_CASE("a closed stream has no addresses") {
  test::run([] {
    auto [client, server] = make_pair();
    client.close();

    CHECK_THROWS_WITH_AS(static_cast<void>(client.local_address()),
                         "local_address: socket is not connected (ENOTCONN)", std::system_error);
    CHECK_THROWS_AS(static_cast<void>(client.peer_address()), std::system_error);
  });
}

TEST_CASE("an unreferenced stream that reads does not keep the loop alive") {
  std::array<std::byte, 1> buffer{};
  std::optional<Pair> pair;
  Trace trace;

  test::run([&] {
    pair.emplace(make_pair());
    pair->client.read(buffer, [&](Result<std::size_t> count) {
      trace.push_back(count ? "read" : count.error().message());
    });
    pair->client.unref();
    pair->client.ref();
    pair->client.unref();
    set_immediate([&] { trace.push_back("immediate"); });
  });

  CHECK(trace == Trace{"immediate", "operation canceled (ECANCELED)"});
}

TEST_CASE("a stream may outlive the run") {
  const AsyncLocal<std::string> who;
  std::optional<Pair> pair;
  const auto token = std::make_shared<int>(0);
  std::array<std::byte, 1> buffer{};

  test::run([&] {
    who.run("store", [&] {
      pair.emplace(make_pair());
      pair->client.on_data([token](std::span<const std::byte>) {});
      pair->client.on_close([token] {});
      pair->client.unref();
    });
  });

  CHECK(token.use_count() == 1);
  CHECK(pair->client.is_closing());
  CHECK_THROWS_AS(pair->client.read(buffer), UsageError);
  CHECK_THROWS_AS(pair->client.write("a", {}), UsageError);
  CHECK_THROWS_AS(pair->server.read(buffer, [](Result<std::size_t>) {}), UsageError);
}

// --- close(error) ---

const Error kLate = {std::make_error_code(std::errc::timed_out), "request"};

TEST_CASE("a close with an error ends what is pending with it, then tells on_error and on_close") {
  const std::string large(16 * 1024 * 1024, 'x');
  Trace trace;
  const auto note = [&](std::string what) {
    return [&trace, what](const auto& result) { trace.push_back(what + ": " + result.message()); };
  };

  test::run([&] {
    auto [client, server] = make_pair();
    std::array<std::byte, 8> buffer;
    client.read(buffer, note("read"));
    client.write(large, note("write"));
    client.shutdown(note("shutdown"));
    client.on_error(note("error"));
    client.on_close(note("closed"));
    client.close(kLate);
    client.close(std::make_error_code(std::errc::io_error));  // does nothing
    trace.push_back("close returned");
    client.wait_closed();
  });

  const std::string text = ": request: " + kLate.code.message();
  CHECK(trace == Trace{"close returned", "write" + text, "shutdown" + text, "read" + text,
                       "error" + text, "closed" + text});
}

TEST_CASE("a fiber that reads is told why its stream was closed") {
  test::run([] {
    auto [client, server] = make_pair();
    set_timeout(1s, [&stream = client] { stream.close(kLate); });
    try {
      read_some(client);
      FAIL("the read has ended");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::timed_out);
    }
  });
}

TEST_CASE("on_close tells no error of a plain close, nor of one behind the end of the stream") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.on_close([&](const Error& why) { trace.push_back(why.code ? "error" : "plain"); });
    server.on_close([&](const Error& why) { trace.push_back(why.code ? "error" : "end"); });
    server.on_data([](std::span<const std::byte>) {});
    client.close();
    client.wait_closed();
    server.wait_closed();
  });

  CHECK(trace == Trace{"plain", "end"});
}

TEST_CASE("on_close tells the error that ended reading") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    server.on_close([&](const Error& why) { trace.push_back(error_name(why.code)); });
    server.on_data([](std::span<const std::byte>) {});
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    CHECK(::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    client.close();
    server.wait_closed();
  });

  CHECK(trace == Trace{"ECONNRESET"});
}

TEST_CASE("a close with a code that is no error is refused") {
  test::run([] {
    auto [client, server] = make_pair();
    CHECK_THROWS_AS(client.close(std::error_code()), UsageError);
    CHECK_FALSE(client.is_closing());
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
