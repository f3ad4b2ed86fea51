#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/pipe.h>
#include <weft/io/serve.h>
#include <weft/io/tcp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/event.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Server;
using io::TcpListener;
using io::TcpStream;
using test::read_to_end;
using test::Trace;
using namespace std::chrono_literals;

// What arrives next; empty at the end of the stream.
std::string read_text(TcpStream& stream) {
  std::array<char, 64> buffer{};
  const std::size_t count = stream.read(std::as_writable_bytes(std::span(buffer)));
  return {buffer.data(), count};
}

std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& caught) {
    return caught.what();
  }
}

// A server on a fiber of its own, which has begun to accept.
struct Running {
  explicit Running(Server::Handler handler, io::ServeOptions options = {})
      : server(std::move(options)) {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    port = listener.port();
    task.emplace(
        spawn([this, listener = std::move(listener), handler = std::move(handler)]() mutable {
          server.serve(std::move(listener), std::move(handler));
        }));
    yield();
  }
  TcpStream connect() const { return TcpStream::connect("127.0.0.1", port); }
  // Stops it, and waits until all has ended.
  void stop() {
    server.stop();
    task->join();
  }

  Server server;
  std::uint16_t port = 0;
  std::optional<Task<void>> task;
};

void echo(TcpStream& peer) {
  for (std::string text; !(text = read_text(peer)).empty();) peer.write(text);
}

void check_counts(const Server::Statistics& seen, const Server::Statistics& expected) {
  CHECK(seen.active == expected.active);
  CHECK(seen.accepted == expected.accepted);
  CHECK(seen.finished == expected.finished);
  CHECK(seen.failed == expected.failed);
  CHECK(seen.cancelled == expected.cancelled);
  CHECK(seen.accept_errors == expected.accept_errors);
}

TEST_SUITE_BEGIN("io/serve");

TEST_CASE("a server serves connections side by side until it is stopped") {
  test::run([] {
    Running running(echo);
    auto first = running.connect();
    auto second = running.connect();
    second.write("two");
    CHECK(read_text(second) == "two");
    first.write("one");
    CHECK(read_text(first) == "one");
    check_counts(running.server.statistics(), {.active = 2, .accepted = 2});
    first.shutdown();
    CHECK(read_text(first).empty());
    check_counts(running.server.statistics(), {.active = 1, .accepted = 2, .finished = 1});
    second.close();
    running.stop();

    check_counts(running.server.statistics(), {.accepted = 2, .finished = 2});
  });
}

TEST_CASE("a stop closes the listener and lets what runs end within the grace") {
  test::run([] {
    Running running(
        [](TcpStream& peer) {
          sleep_for(3s);
          peer.write("done");
        },
        {.grace = 5s});
    auto client = running.connect();
    sleep_for(1s);
    const auto began = now();
    running.server.stop();
    yield();
    CHECK_THROWS_AS(running.connect(), std::system_error);
    running.task->join();

    CHECK(now() - began == 2s);
    CHECK(read_text(client) == "done");
    check_counts(running.server.statistics(), {.accepted = 1, .finished = 1});
  });
}

TEST_CASE("what outlasts the grace is cancelled, and serve waits for its cleanup") {
  std::chrono::nanoseconds grace(0);
  SUBCASE("some time") {
    grace = 2s;
  }
  SUBCASE("none") {
    grace = 0s;
  }

  test::run([&] {
    Running running(
        [](TcpStream& peer) {
          try {
            echo(peer);
          } catch (const Cancelled&) {
            shielded([] { sleep_for(1s); });
            throw;
          }
        },
        {.grace = grace});
    auto client = running.connect();
    sleep_for(1s);
    const auto began = now();
    running.stop();

    CHECK(now() - began == grace + 1s);
    CHECK(read_text(client).empty());
    check_counts(running.server.statistics(), {.accepted = 1, .cancelled = 1});
  });
}

TEST_CASE("a second stop does nothing, and the grace goes on") {
  test::run([] {
    Running running([](TcpStream&) { sleep_for(1h); }, {.grace = 4s});
    auto client = running.connect();
    sleep_for(1s);
    const auto began = now();
    running.server.stop("first");
    sleep_for(3s);
    CHECK(running.server.is_stopping());
    running.server.stop("second");
    running.task->join();
    running.server.stop();

    CHECK(now() - began == 4s);
  });
}

TEST_CASE("a server stopped before it serves accepts nothing") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    Server server;
    server.stop();
    server.serve(std::move(listener), echo);

    check_counts(server.statistics(), {});
    CHECK_THROWS_AS(server.serve(TcpListener::bind("127.0.0.1", 0), echo), UsageError);
  });
}

TEST_CASE("a server that has no connection yet stops at once, also from a callback") {
  test::run([] {
    Server server;
    const auto began = now();
    set_timeout(7ms, [&] { server.stop(); });
    server.serve(TcpListener::bind("127.0.0.1", 0), echo);

    CHECK(now() - began == 7ms);
  });
}

TEST_CASE("at connections_max the server pauses, and goes on when a connection ends") {
  test::run([] {
    Running running(echo, {.connections_max = 2});
    std::vector<TcpStream> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(running.connect());
      clients.back().write("hello");
    }
    sleep_for(1s);
    CHECK(running.server.statistics().accepted == 2);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      CHECK(read_text(clients[i]) == "hello");  // in the order they came; none was dropped
      CHECK(running.server.statistics().active <= 2);
      clients[i].shutdown();
      CHECK(read_text(clients[i]).empty());
    }
    running.stop();

    check_counts(running.server.statistics(), {.accepted = 5, .finished = 5});
  });
}

TEST_CASE("a server that has paused at its limit can be stopped") {
  test::run([] {
    Running running([](TcpStream&) { sleep_for(1h); }, {.connections_max = 1, .grace = 1s});
    auto served = running.connect();
    auto waiting = running.connect();
    sleep_for(1s);
    running.stop();

    CHECK(read_text(served).empty());
    check_counts(running.server.statistics(), {.accepted = 1, .cancelled = 1});
  });
}

TEST_CASE("what a handler throws goes to on_error, and the others are served on") {
  AsyncLocal<std::string> request;
  Trace trace;

  test::run([&] {
    const auto handler = [&](TcpStream& peer) {
      request.enter_with(read_text(peer));
      if (*request.get() == "bad") throw std::runtime_error("no such page");
      peer.write("fine");
    };
    const auto on_error = [&](const std::exception_ptr& error) {
      trace.push_back(*request.get() + ": " + message_of(error));
    };
    Running running(handler, {.on_error = on_error});
    for (const char* page : {"good", "bad", "good"}) {
      auto client = running.connect();
      client.write(page);
      trace.push_back(read_text(client));
    }
    running.stop();
    check_counts(running.server.statistics(), {.accepted = 3, .finished = 2, .failed = 1});
  });

  CHECK(trace == Trace{"fine", "bad: no such page", "", "fine"});
}

TEST_CASE("what on_error throws ends the server") {
  test::run([] {
    Running running(
        [](TcpStream& peer) {
          if (read_text(peer) == "bad") throw std::runtime_error("out of order");
        },
        {.on_error = [](const std::exception_ptr& error) { std::rethrow_exception(error); }});
    auto client = running.connect();
    auto other = running.connect();
    client.write("bad");

    CHECK_THROWS_AS(running.task->join(), GroupError);
    check_counts(running.server.statistics(), {.accepted = 2, .failed = 1, .cancelled = 1});
  });
}

TEST_CASE("without on_error a failure is printed, a lost peer is not") {
  const auto child = test::run_in_child([] {
    test::run([] {
      Running running([](TcpStream& peer) {
        if (read_text(peer) == "bad") throw std::runtime_error("no such page");
        throw std::system_error(std::make_error_code(std::errc::connection_reset), "lost");
      });
      for (const char* page : {"bad", "lost"}) {
        auto client = running.connect();
        client.write(page);
        read_text(client);
      }
      running.stop();
      if (running.server.statistics().failed != 2) std::exit(3);
    });
  });

  CHECK(child.status == 0);
  CHECK(child.says("a connection failed: "));
  CHECK(child.says("no such page"));
  CHECK_FALSE(child.says("lost"));
}

TEST_CASE("the report of a failed connection names its peer and the line that serves") {
  const auto child = test::run_in_child([] {
    test::run([] {
      Server server;
      auto listener = TcpListener::bind("127.0.0.1", 0);
      const std::uint16_t port = listener.port();
      auto task = spawn([&] {
        server.serve(std::move(listener), [](TcpStream& peer) {
          peer.close();
          throw std::runtime_error("no such page");
        });
      });
      auto client = TcpStream::connect("127.0.0.1", port);
      std::fprintf(stderr, "client %s\n", client.local_address().to_string().c_str());
      read_text(client);
      server.stop();
      task.join();
    });
  });

  CHECK(child.status == 0);
  const std::size_t at = child.errors.find("client ") + 7;
  const std::string peer = child.errors.substr(at, child.errors.find('\n', at) - at);
  CHECK(child.says("a connection failed: " + peer + ": no such page"));
  CHECK(child.says("'connection' (spawned at "));
  CHECK(child.says("serve_test.cpp:"));
  CHECK_FALSE(child.says("serve.cpp:"));
}

TEST_CASE("a stop cuts the connections that are idle, and leaves those that work their grace") {
  test::run([] {
    Server* server = nullptr;
    const auto answer = [&](TcpStream& peer) {
      std::string text;
      while (server->idle([&] { text = read_text(peer); }) && !text.empty()) {
        sleep_for(2s);
        peer.write(text);
      }
    };
    Running running(answer, {.grace = 1h});
    server = &running.server;
    auto idle = running.connect();
    auto used = running.connect();
    used.write("hello");
    sleep_for(1s);
    check_counts(running.server.statistics(), {.active = 2, .accepted = 2});
    CHECK(running.server.statistics().idle == 1);
    const auto began = now();
    running.server.stop();
    CHECK(read_text(idle).empty());
    CHECK(now() == began);
    CHECK(read_text(used) == "hello");  // and does not wait for another
    CHECK(read_text(used).empty());
    running.task->join();

    CHECK(now() - began == 1s);
    check_counts(running.server.statistics(), {.accepted = 2, .finished = 2});
    CHECK(running.server.statistics().idle == 0);
  });
}

TEST_CASE("what an idle wait throws goes on, and so does a cancel from outside") {
  test::run([] {
    Server* server = nullptr;
    Running running([&](TcpStream&) { server->idle([] { sleep_for(1h); }); }, {.grace = 1h});
    server = &running.server;
    CHECK_THROWS_AS(server->idle([] { throw std::runtime_error("no"); }), std::runtime_error);
    auto client = running.connect();
    sleep_for(1s);
    running.task->cancel();
    CHECK_THROWS_AS(running.task->join(), std::system_error);

    check_counts(running.server.statistics(), {.accepted = 1, .cancelled = 1});
  });
}

TEST_CASE("each connection begins in serve's context and has one of its own") {
  AsyncLocal<std::string> user;
  Trace trace;

  test::run([&] {
    std::optional<Running> running;
    user.run("server", [&] {
      running.emplace([&](TcpStream& peer) {
        trace.push_back(*user.get());
        user.enter_with(read_text(peer));
        sleep_for(1s);  // the other sets its own meanwhile
        trace.push_back(*user.get());
      });
    });
    auto ann = running->connect();
    auto ben = running->connect();
    ann.write("ann");
    ben.write("ben");
    read_text(ben);
    running->stop();
  });

  CHECK(trace == Trace{"server", "server", "ann", "ben"});
}

TEST_CASE("cancelling the code that serves cancels the connections without grace") {
  test::run([] {
    Running running([](TcpStream&) { sleep_for(1h); }, {.grace = 1min});
    auto client = running.connect();
    sleep_for(1s);
    const auto began = now();
    running.task->cancel();
    CHECK_THROWS_AS(running.task->join(), std::system_error);

    CHECK(now() == began);
    check_counts(running.server.statistics(), {.accepted = 1, .cancelled = 1});
  });
}

// Clients that wait in the backlog.
std::vector<TcpStream> connect_many(const TcpListener& listener) {
  std::vector<TcpStream> clients;
  while (clients.size() < 20) clients.push_back(TcpStream::connect("127.0.0.1", listener.port()));
  return clients;
}

// In a child only REQUIRE is seen.
void serve_without_descriptors() {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  auto clients = connect_many(listener);
  // UBSan's first look at a type takes a pipe.
  REQUIRE(message_of(std::make_exception_ptr(std::system_error(ENOENT, uv_category()))) != "");
  test::leave_free(9);
  Trace errors;
  Server server(
      {.on_error = [&](const std::exception_ptr& e) { errors.push_back(message_of(e)); }});
  const auto began = now();
  auto task = spawn([&] {
    server.serve(std::move(listener), [](TcpStream& peer) {
      sleep_for(1s);
      peer.write("hello");
    });
  });
  for (TcpStream& client : clients) REQUIRE(read_text(client) == "hello");
  REQUIRE(now() - began < 10s);
  server.stop();
  task.join();
  REQUIRE(server.statistics().finished == 20);
  REQUIRE(server.statistics().accept_errors == errors.size());
  REQUIRE(errors.size() > 1);
  REQUIRE(errors.size() < 40);  // it did not try all the time
  for (const auto& error : errors) REQUIRE(error.find("(EMFILE)") != std::string::npos);
}

TEST_CASE("without descriptors a server says so, pauses, and loses nobody") {
  const auto child = test::run_in_child([] { test::run(serve_without_descriptors); });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

TEST_CASE("a server serves pipes as it serves TCP") {
  const test::TempDir dir;

  test::run([&] {
    Server server;
    auto listener = io::PipeListener::bind(dir.path("s"));
    auto serving = spawn([&, listener = std::move(listener)]() mutable {
      server.serve(std::move(listener), [](io::PipeStream& peer) {
        peer.write("hello");
        peer.shutdown();
        read_to_end(peer);
      });
    });
    auto client = io::PipeStream::connect(dir.path("s"));
    CHECK(read_to_end(client) == "hello");
    client.close();
    server.stop();
    serving.join();

    check_counts(server.statistics(), {.accepted = 1, .finished = 1});
  });
}

TEST_CASE("serve can be cancelled anywhere") {
  int cuts = 0;

  const int points = test::cancel_sweep(
      [] {
        Server server({.connections_max = 1, .grace = 2ms});
        auto listener = TcpListener::bind("127.0.0.1", 0);
        task_group([&](TaskGroup& group) {
          group.spawn([&server, port = listener.port()] {
            for (int i = 0; i < 2; ++i) {
              auto client = TcpStream::connect("127.0.0.1", port);
              client.write("hello");
              read_text(client);
            }
            sleep_for(1ms);
            server.stop();
          });
          server.serve(std::move(listener), echo);
        });
      },
      cuts);

  CHECK(points >= 8);
  CHECK(cuts >= points);
}

TEST_CASE("a server needs room for a connection, and a handler") {
  CHECK_THROWS_AS(Server({.connections_max = 0}), UsageError);
  test::run([] {
    Server server;
    CHECK_THROWS_AS(server.serve(TcpListener::bind("127.0.0.1", 0), {}), UsageError);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
