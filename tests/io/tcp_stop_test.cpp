#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Trace;

using Bytes = std::span<const std::byte>;

std::string outcome(const std::error_code& code) {
  return code == std::errc::operation_canceled ? "cancelled" : code ? code.message() : "done";
}

void settle() {
  for (int turn = 0; turn < 5; ++turn) {
    await<int>(
        [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
  }
}

// Notes how a call of a fiber ends.
template <typename Call>
void note_end(Trace& trace, const std::string& name, Call call) {
  try {
    call();
    trace.push_back(name + " done");
  } catch (const Cancelled&) {
    trace.push_back(name + " cancelled");
    throw;
  }
}

TEST_SUITE_BEGIN("io/tcp_stop");

TEST_CASE("stopping the run ends every waiting fiber of a server") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    auto server = listener.accept();
    auto silent = TcpStream::connect("127.0.0.1", listener.port());
    auto reader = listener.accept();
    std::array<std::byte, 1> buffer{};
    const std::string large(16 * 1024 * 1024, 'x');
    spawn([&] { note_end(trace, "accept", [&] { listener.accept(); }); });
    spawn([&, &stream = reader] { note_end(trace, "read", [&] { stream.read(buffer); }); });
    spawn([&, &stream = server] { note_end(trace, "write", [&] { stream.write(large); }); });
    settle();
    Loop::current().stop();
    note_end(trace, "main", [] { settle(), settle(); });
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"accept cancelled", "main cancelled", "read cancelled", "write cancelled"});
}

TEST_CASE("stopping the run ends every pending callback once, and drops every handler") {
  Trace trace;
  std::array<std::byte, 1> buffer{};
  const auto token = std::make_shared<int>(0);
  std::optional<TcpListener> listener;
  std::optional<TcpStream> client;
  std::optional<TcpStream> server;

  test::run([&] {
    listener = TcpListener::bind("127.0.0.1", 0);
    client = TcpStream::connect("127.0.0.1", listener->port());
    server = listener->accept();
    const auto note = [&trace, token](const char* name) {
      return [&trace, token, name](const auto& result) {
        trace.push_back(std::string(name) + " " + outcome(result.error()));
      };
    };
    listener->accept(note("accept"));
    listener->on_error([token](const Error&) {});
    listener->on_close([&trace, token] { trace.push_back("listener closed"); });
    client->read(buffer, note("read"));
    client->on_close([&trace, token] { trace.push_back("client closed"); });
    server->on_data([token](Bytes) {});
    server->on_end([token] {});
    server->on_error([token](const Error&) {});
    server->on_close([&trace, token] { trace.push_back("server closed"); });
    client->write(std::string(16 * 1024 * 1024, 'x'), note("write"));
    client->shutdown(note("shutdown"));
    server->pause();
    Loop::current().stop();
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"accept cancelled", "client closed", "listener closed", "read cancelled",
                       "server closed", "shutdown cancelled", "write cancelled"});
  CHECK(token.use_count() == 1);
}

TEST_CASE("stopping the run ends connects that are under way") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    TcpStream::connect("127.0.0.1", listener.port(), [&](Result<TcpStream> stream) {
      trace.push_back("callback " + outcome(stream.error()));
    });
    spawn([&] {
      note_end(trace, "fiber", [&] { TcpStream::connect("127.0.0.1", listener.port()); });
    });
    yield();
    detail::EventLoop::current("test").stop(nullptr);
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"callback cancelled", "fiber cancelled"});
}

TEST_CASE("a server without fibers is stopped from inside a handler") {
  Trace trace;
  const auto token = std::make_shared<int>(0);
  const auto keep = std::make_shared<std::optional<TcpStream>>();

  test::run([&] {
    auto listener = std::make_shared<TcpListener>(TcpListener::bind("127.0.0.1", 0));
    listener->on_connection([&trace, keep, token, listener](TcpStream connection) {
      *keep = std::move(connection);
      (*keep)->on_data([&trace, keep, token](Bytes) {
        trace.push_back("data");
        Loop::current().stop();
      });
      (*keep)->on_close([&trace, token] { trace.push_back("connection closed"); });
    });
    listener->on_close([&trace, token] { trace.push_back("listener closed"); });
    TcpStream::connect("127.0.0.1", listener->port(), [token](Result<TcpStream> stream) {
      auto client = std::make_shared<TcpStream>(std::move(stream).value());
      client->on_data([token, client](Bytes) {});
      client->write("x", {});
    });
  });
  keep->reset();

  std::sort(trace.begin() + 1, trace.end());
  CHECK(trace == Trace{"data", "connection closed", "listener closed"});
  CHECK(token.use_count() == 1);
}

TEST_CASE("what a callback starts while the run stops is ended as well") {
  Trace trace;

  test::run([&] {
    auto listener = std::make_shared<std::optional<TcpListener>>(TcpListener::bind("127.0.0.1", 0));
    (*listener)->on_close([&trace, listener] {
      trace.push_back("closed");
      *listener = TcpListener::bind("127.0.0.1", 0);
      (*listener)->accept([&trace](Result<TcpStream> connection) {
        trace.push_back("accept " + outcome(connection.error()));
      });
    });
    (*listener)->unref();
  });

  CHECK(trace == Trace{"closed", "accept cancelled"});
}

TEST_CASE("an uncaught exception of a handler stops the server and leaves run") {
  Trace trace;

  CHECK_THROWS_WITH_AS(
      test::run([&] {
        auto listener = TcpListener::bind("127.0.0.1", 0);
        listener.on_connection([](const TcpStream&) { throw std::runtime_error("handler"); });
        listener.on_close([&] { trace.push_back("closed"); });
        auto client = TcpStream::connect("127.0.0.1", listener.port());
        note_end(trace, "read", [&] { settle(), settle(); });
      }),
      "handler", std::runtime_error);

  std::sort(trace.begin(), trace.end());
  CHECK(trace.back() == "closed");
}

TEST_CASE("an interrupt stops a server in order, with main's status") {
  int signal = 0;
  SUBCASE("SIGINT") {
    signal = SIGINT;
  }
  SUBCASE("SIGTERM") {
    signal = SIGTERM;
  }
  Trace trace;

  const int returned_before = run(
      [&] {
        auto listener = std::make_shared<TcpListener>(TcpListener::bind("127.0.0.1", 0));
        listener->on_connection([](const TcpStream&) {});
        listener->on_close([&trace, listener] { trace.push_back("closed"); });
        set_immediate([signal] { std::raise(signal); });
        return 3;
      },
      {.stop_on_interrupt = true});
  const int cancelled = run(
      [&] {
        auto listener = TcpListener::bind("127.0.0.1", 0);
        std::raise(signal);
        note_end(trace, "accept", [&] { listener.accept(); });
        return 3;
      },
      {.stop_on_interrupt = true});

  CHECK(returned_before == 3);
  CHECK(cancelled == 0);
  CHECK(trace == Trace{"closed", "accept cancelled"});
}

TEST_CASE("a read that a shielded fiber begins behind the stop is cut as one before it") {
  std::optional<std::error_code> seen;

  test::run([&] {
    spawn([&] {
      shielded([&] {
        try {
          sleep_for(std::chrono::hours(1));
        } catch (const std::system_error&) {  // the stop comes here
          auto [ours, theirs] = io::PipeStream::pair();
          std::array<std::byte, 1> answer;
          try {
            ours.read(answer);
          } catch (const std::system_error& error) {
            seen = error.code();
          }
        }
      });
    });
    yield();
    Loop::current().stop();
  });

  REQUIRE(seen.has_value());
  CHECK(*seen == std::errc::operation_canceled);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
