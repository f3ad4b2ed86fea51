#include <fcntl.h>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Trace;

TcpStream connect_to(const TcpListener& listener) {
  return TcpStream::connect("127.0.0.1", listener.port());
}

// The port of the other end: which client a connection is.
std::string client_of(const TcpStream& connection) {
  return std::to_string(connection.peer_address().port());
}
std::string name_of(const TcpStream& client) {
  return std::to_string(client.local_address().port());
}

void wait_a_turn() {
  await<int>(
      [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
}

// Lets what is on its way over loopback arrive.
void settle() {
  for (int turn = 0; turn < 5; ++turn) wait_a_turn();
}

TEST_SUITE_BEGIN("io/tcp_accept");

TEST_CASE("a fiber that waits in accept gets the connection") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto server = spawn([&] { return client_of(listener.accept()); });
    yield();

    auto client = connect_to(listener);

    CHECK(server.join() == name_of(client));
  });
}

TEST_CASE("accept with a callback calls it once, after it has returned") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    SUBCASE("for a connection that comes later") {}
    std::optional<TcpStream> early;
    SUBCASE("for a connection that waits") {
      early = connect_to(listener);
      early = connect_to(listener);
      listener.accept();
    }
    listener.accept([&](Result<TcpStream> connection) {
      trace.push_back(connection ? "accepted" : connection.message());
    });
    trace.push_back("returned");
    if (!early) connect_to(listener);
    settle();
  });

  CHECK(trace == Trace{"returned", "accepted"});
}

TEST_CASE("connections that come before anybody accepts are not lost") {
  Trace clients;
  Trace accepted;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<TcpStream> streams;
    for (int i = 0; i < 20; ++i) {
      streams.push_back(connect_to(listener));
      clients.push_back(name_of(streams.back()));
    }
    for (int i = 0; i < 20; ++i) accepted.push_back(client_of(listener.accept()));
  });

  CHECK(accepted == clients);
}

TEST_CASE("a turn of the loop accepts one connection, whoever waits for it") {
  int turns = 0;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<TcpStream> streams;
    while (streams.size() < 5) streams.push_back(connect_to(listener));
    settle();
    int accepted = 0;
    std::optional<Task<void>> server;
    SUBCASE("a fiber") {
      server = spawn([&] {
        for (; accepted < 5; ++accepted) listener.accept();
      });
    }
    SUBCASE("a handler") {
      listener.on_connection([&](const TcpStream&) { ++accepted; });
    }
    do {
      wait_a_turn();
      ++turns;
    } while (accepted != 5);
    listener.close();
  });

  CHECK(turns >= 4);  // the first connection is known to wait, and taken at once
}

TEST_CASE("connections that come before on_connection are handed over in order") {
  Trace clients;
  Trace accepted;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<TcpStream> streams;
    for (int i = 0; i < 20; ++i) {
      streams.push_back(connect_to(listener));
      clients.push_back(name_of(streams.back()));
    }
    listener.on_connection([&](TcpStream connection) {
      accepted.push_back(client_of(connection));
      if (accepted.size() == 20) listener.close();
    });
    CHECK(accepted.empty());
    listener.wait_closed();
  });

  CHECK(accepted == clients);
}

TEST_CASE("on_connection's handler may be replaced from inside itself, more than once") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const auto first = std::make_shared<std::string>("first");
    listener.on_connection([&, first](const TcpStream&) {
      listener.on_connection([](const TcpStream&) {});
      listener.on_connection([&](const TcpStream&) {
        trace.push_back("second");
        listener.close();
      });
      trace.push_back(*first);
    });
    connect_to(listener);
    connect_to(listener);
    listener.wait_closed();
  });

  CHECK(trace == Trace{"first", "second"});
}

TEST_CASE("a handler removed from inside itself leaves the next connection to accept") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_connection([&](const TcpStream&) {
      trace.push_back("handler");
      listener.on_connection(nullptr);
    });
    connect_to(listener);
    connect_to(listener);
    listener.accept();
    trace.push_back("accept");
  });

  CHECK(trace == Trace{"handler", "accept"});
}

TEST_CASE("a connection nobody keeps is closed") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_connection([&](const TcpStream&) { listener.close(); });
    auto client = connect_to(listener);
    std::byte byte{};

    CHECK(client.read({&byte, 1}) == 0);
  });
}

TEST_CASE("a second taker of connections is a usage error, and the first goes on") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto server = spawn([&] { return client_of(listener.accept()); });
    yield();

    CHECK_THROWS_AS(listener.accept(), UsageError);
    CHECK_THROWS_AS(listener.accept([](Result<TcpStream>) {}), UsageError);
    CHECK_THROWS_AS(listener.on_connection([](const TcpStream&) {}), UsageError);

    auto client = connect_to(listener);
    CHECK(server.join() == name_of(client));
    listener.on_connection([](const TcpStream&) {});
    CHECK_THROWS_AS(listener.accept(), UsageError);
    listener.close();
  });
}

TEST_CASE("closing a listener completes its pending accept with operation_canceled") {
  Trace trace;
  const auto note = [&](const std::error_code& code) {
    trace.push_back(code == std::errc::operation_canceled ? "cancelled" : code.message());
  };

  test::run([&] {
    auto listener = std::make_optional(TcpListener::bind("127.0.0.1", 0));
    SUBCASE("in a callback") {
      listener->accept([&](Result<TcpStream> connection) { note(connection.error()); });
    }
    SUBCASE("in a fiber") {
      spawn([&, &bound = *listener] {
        try {
          bound.accept();
        } catch (const std::system_error& error) {
          note(error.code());
        }
      });
      yield();
    }
    SUBCASE("by dropping the owner") {
      listener->accept([&](Result<TcpStream> connection) { note(connection.error()); });
      listener.reset();
    }
    if (listener) listener->close();
    trace.push_back("close returned");
    if (listener) listener->wait_closed();
  });

  CHECK(trace == Trace{"close returned", "cancelled"});
}

TEST_CASE("accept on a closed listener fails with bad_file_descriptor") {
  std::optional<std::error_code> in_callback;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.close();
    CHECK(listener.is_closing());
    CHECK_THROWS_WITH_AS(listener.accept(),
                         "accept: the listener is closed: bad file descriptor (EBADF)",
                         std::system_error);
    listener.accept([&](Result<TcpStream> connection) { in_callback = connection.error(); });
    CHECK_FALSE(in_callback.has_value());
    listener.wait_closed();
  });

  REQUIRE(in_callback.has_value());
  CHECK(*in_callback == std::errc::bad_file_descriptor);
}

TEST_CASE("an accept after the close is bad_file_descriptor, even while another is pending") {
  Trace trace;
  const auto note = [&](const char* name) {
    return [&trace, name](Result<TcpStream> connection) {
      trace.push_back(name + connection.error().message());
    };
  };

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.accept(note("pending: "));
    listener.close();
    listener.accept(note("late: "));
    CHECK_THROWS_AS(listener.accept(), std::system_error);
    listener.wait_closed();
  });

  CHECK(trace ==
        Trace{"late: bad file descriptor (EBADF)", "pending: operation canceled (ECANCELED)"});
}

TEST_CASE("an empty callback of accept is a usage error") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);

    CHECK_THROWS_WITH_AS(listener.accept({}), doctest::Contains("accept"), UsageError);
  });
}

TEST_CASE("a fiber cancelled in accept loses no connection") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto server = spawn([&] { listener.accept(); });
    yield();
    server.cancel();
    CHECK_THROWS_AS(server.join(), std::system_error);

    auto client = connect_to(listener);

    CHECK(client_of(listener.accept()) == name_of(client));
  });
}

TEST_CASE("on_close is called once a listener is closed, and its handlers are dropped after it") {
  Trace trace;
  const auto token = std::make_shared<int>(0);

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_connection([token](const TcpStream&) {});
    listener.on_error([token](const Error&) {});
    listener.on_close([&, token] { trace.push_back("closed"); });
    CHECK(token.use_count() == 4);
    listener.close();
    listener.close();
    trace.push_back("close returned");
    listener.wait_closed();
    CHECK(token.use_count() == 1);
  });

  CHECK(trace == Trace{"close returned", "closed"});
}

TEST_CASE("the close of a listener waits for no connection") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    auto server = listener.accept();
    listener.close();
    listener.wait_closed();
    client.write("on");
    CHECK(test::read_some(server) == "on");
  });
}

TEST_CASE("waiting for the close of a closed listener returns at once, as often as one likes") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.close();

    listener.wait_closed();
    listener.wait_closed();
    listener.wait_closed();
  });
}

TEST_CASE("a fiber cancelled while it waits for an open listener's close ends") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto waits = spawn([&] { listener.wait_closed(); });
    yield();
    waits.cancel();

    CHECK_THROWS_AS(waits.join(), std::system_error);
    CHECK_FALSE(listener.is_closing());
    listener.close();
    listener.wait_closed();
  });
}

TEST_CASE("port 0 binds to a free port") {
  test::run([] {
    const auto first = TcpListener::bind("127.0.0.1", 0);
    const auto second = TcpListener::bind("127.0.0.1", 0);

    CHECK(first.port() != 0);
    CHECK(first.port() != second.port());
    CHECK(first.address().to_string() == "127.0.0.1:" + std::to_string(first.port()));
  });
}

TEST_CASE("binding to an address in use names the address") {
  test::run([] {
    const auto listener = TcpListener::bind("127.0.0.1", 0);
    const std::string text = "listen 127.0.0.1:" + std::to_string(listener.port()) +
                             ": address already in use (EADDRINUSE)";
    try {
      TcpListener::bind("127.0.0.1", listener.port());
      FAIL("bound twice");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::address_in_use);
      CHECK(error.what() == text);
    }
  });
}

TEST_CASE("binding to what is no address, or none of this machine, fails") {
  test::run([] {
    CHECK_THROWS_WITH_AS(TcpListener::bind("localhost", 0),
                         "address 'localhost': invalid argument (EINVAL)", std::system_error);
    CHECK_THROWS_WITH_AS(TcpListener::bind("203.0.113.1", 0),
                         "listen 203.0.113.1:0: address not available (EADDRNOTAVAIL)",
                         std::system_error);
  });
}

TEST_CASE("listeners with reuse_port share a port") {
  test::run([] {
    const auto first = TcpListener::bind("127.0.0.1", 0, {.reuse_port = true});
    const auto second = TcpListener::bind("127.0.0.1", first.port(), {.reuse_port = true});

    CHECK(first.port() == second.port());
    CHECK_THROWS_AS(TcpListener::bind("127.0.0.1", first.port()), std::system_error);
  });
}

TEST_CASE("an IPv6 listener takes IPv4 peers unless it is ipv6_only") {
  test::run([] {
    auto both = TcpListener::bind("::", 0);
    connect_to(both);
    CHECK(both.accept().peer_address().is_ipv6());

    const auto six = TcpListener::bind("::", 0, {.ipv6_only = true});
    CHECK_THROWS_AS(connect_to(six), std::system_error);
    CHECK(TcpListener::bind("0.0.0.0", six.port()).port() == six.port());
  });
}

TEST_CASE("an unreferenced listener does not keep the loop alive") {
  Trace trace;
  std::optional<TcpListener> listener;

  test::run([&] {
    listener = TcpListener::bind("127.0.0.1", 0);
    listener->on_connection([](const TcpStream&) {});
    listener->on_close([&] { trace.push_back("closed by the end of the run"); });
    listener->unref();
    listener->ref();
    listener->unref();
    set_immediate([&] { trace.push_back("immediate"); });
  });

  CHECK(trace == Trace{"immediate", "closed by the end of the run"});
}

TEST_CASE("a fiber that waits at an unreferenced listener is cancelled at the end") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      auto listener = TcpListener::bind("127.0.0.1", 0);
      listener.unref();
      try {
        listener.accept();
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a listener may outlive the run") {
  const AsyncLocal<std::string> who;
  std::optional<TcpListener> listener;

  test::run([&] {
    who.run("server", [&] { listener = TcpListener::bind("127.0.0.1", 0); });
    listener->on_connection([](const TcpStream&) {});
    listener->unref();
  });

  CHECK(listener->is_closing());
  CHECK(listener->port() != 0);
  listener->close();
  CHECK_THROWS_AS(listener->accept(), UsageError);
}

TEST_CASE("a standard descriptor that is closed becomes neither the loop's nor a connection") {
  const test::ChildResult child = test::run_in_child([] {
    for (const int fd : {0, 1, 2}) ::close(fd);
    test::run([] {
      for (const int fd : {0, 1, 2}) {
        if (::fcntl(fd, F_GETFD) == -1) ::_exit(3);
      }
      auto listener = TcpListener::bind("127.0.0.1", 0);
      for (const int fd : {0, 1, 2}) ::close(fd);
      auto client = connect_to(listener);
      ::close(0);
      auto server = listener.accept();
      if (client.fd() <= 2 || server.fd() <= 2) ::_exit(4);
    });
    ::_exit(7);
  });

  CHECK(child.status == 7);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
