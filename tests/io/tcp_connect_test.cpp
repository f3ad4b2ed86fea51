#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/names.h>
#include <weft/tests/support/ports.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Trace;

TEST_SUITE_BEGIN("io/tcp_connect");

TEST_CASE("both ends of a connection know each other's address") {
  const char* ip = "";
  SUBCASE("IPv4") {
    ip = "127.0.0.1";
  }
  SUBCASE("IPv6") {
    ip = "::1";
  }

  test::run([&] {
    auto listener = TcpListener::bind(ip, 0);
    auto client = TcpStream::connect(ip, listener.port());
    auto server = listener.accept();

    CHECK(client.peer_address() == listener.address());
    CHECK(client.local_address() == server.peer_address());
    CHECK(server.local_address() == listener.address());
  });
}

TEST_CASE("connect looks a name up") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);

    auto client = TcpStream::connect("localhost", listener.port());

    CHECK(client.peer_address() == listener.address());
  });
}

TEST_CASE("connect tries the addresses of a name in turn until one answers") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);

    auto client = TcpStream::connect("two.test", listener.port());

    CHECK(client.peer_address() == listener.address());
  });
}

TEST_CASE("connect to a name fails when none of its addresses answers") {
  test::run([] {
    const std::uint16_t port = test::closed_port();

    CHECK_THROWS_AS(TcpStream::connect("two.test", port), std::system_error);
  });
}

TEST_CASE("a refused connect names the call, the address and the error") {
  test::run([] {
    try {
      TcpStream::connect("127.0.0.1", 1);
      FAIL("somebody listens at port 1");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::connection_refused);
      CHECK(std::string(error.what()) == "connect 127.0.0.1:1: connection refused (ECONNREFUSED)");
    }
  });
}

TEST_CASE("a refused connect hands its callback the same error") {
  std::optional<std::error_code> code;
  std::string message;

  test::run([&] {
    TcpStream::connect("127.0.0.1", 1, [&](Result<TcpStream> stream) {
      code = stream.error();
      message = stream.message();
    });
  });

  REQUIRE(code.has_value());
  CHECK(*code == std::errc::connection_refused);
  CHECK(message == "connect 127.0.0.1:1: connection refused (ECONNREFUSED)");
}

TEST_CASE("a connect that would reach itself is refused, and its port is free again") {
  Trace errors;

  test::run([&] {
    const std::uint16_t port = test::closed_port();
    const io::ConnectOptions options = {.local_address = io::Address::parse("127.0.0.1", port)};
    const auto refused = [&](const std::error_code& code) {
      errors.push_back(code == std::errc::connection_refused ? "refused" : code.message());
    };
    SUBCASE("in a fiber") {
      try {
        TcpStream::connect("127.0.0.1", port, options);
      } catch (const std::system_error& error) {
        refused(error.code());
      }
    }
    SUBCASE("in callback style") {
      TcpStream::connect("127.0.0.1", port, options,
                         [&](const Result<TcpStream>& peer) { refused(peer.error()); });
      while (errors.empty()) yield();
    }
    SUBCASE("under the address for all") {
      try {
        TcpStream::connect("0.0.0.0", port, options);
      } catch (const std::system_error& error) {
        refused(error.code());
      }
    }
    yield();
    TcpListener::bind("127.0.0.1", port);
  });

  CHECK(errors == Trace{"refused"});
}

TEST_CASE("connect to a name that does not exist fails with EAI_NONAME and names the name") {
  Trace trace;

  test::run([&] {
    CHECK_THROWS_WITH_AS(TcpStream::connect("nobody.test", 80),
                         "connect nobody.test:80: unknown node or service (EAI_NONAME)",
                         std::system_error);
    TcpStream::connect("nobody.test", 80,
                       [&](Result<TcpStream> stream) { trace.push_back(stream.message()); });
  });

  CHECK(trace == Trace{"connect nobody.test:80: unknown node or service (EAI_NONAME)"});
}

TEST_CASE("a name that cannot be looked up at all fails later, not inside the call") {
  Trace trace;
  const std::string name(2000, 'n');

  test::run([&] {
    TcpStream::connect(name, 80, [&](Result<TcpStream> stream) {
      trace.push_back(stream ? "connected" : "failed");
    });
    trace.push_back("returned");
    CHECK_THROWS_AS(TcpStream::connect(name, 80), std::system_error);
  });

  CHECK(trace == Trace{"returned", "failed"});
}

TEST_CASE("the callback of connect is called once, after the call has returned") {
  const char* host = "";
  SUBCASE("an address") {
    host = "127.0.0.1";
  }
  SUBCASE("a name") {
    host = "localhost";
  }
  SUBCASE("a name with two addresses") {
    host = "two.test";
  }
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    TcpStream::connect(host, listener.port(), [&](Result<TcpStream> stream) {
      trace.push_back(stream ? "connected" : stream.message());
    });
    trace.push_back("returned");
    listener.accept();
  });

  CHECK(trace == Trace{"returned", "connected"});
}

TEST_CASE("connect with an empty callback closes what it opened") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    TcpStream::connect("127.0.0.1", listener.port(), nullptr);
    auto server = listener.accept();
    std::byte byte{};

    CHECK(server.read({&byte, 1}) == 0);
  });
}

TEST_CASE("a fiber cancelled while it connects ends, and nothing is left open") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto task = spawn([&, port = listener.port()] {
      try {
        TcpStream::connect("127.0.0.1", port);
        trace.push_back("connected");
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
    listener.close();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a fiber cancelled while a name is looked up ends before the lookup does") {
  Trace trace;

  test::run([&] {
    auto task = spawn([&] {
      try {
        TcpStream::connect("slow.test", 80);
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
    trace.push_back("joined");
    test::let_slow_lookup_end();
  });

  CHECK(trace == Trace{"cancelled", "joined"});
}

TEST_CASE("a run that stops during a lookup ends it, and its callback is called once") {
  Trace trace;

  test::run([&] {
    TcpStream::connect("slow.test", 80, [&](Result<TcpStream> stream) {
      trace.push_back(stream ? "connected" : "failed");
    });
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_close([] { test::let_slow_lookup_end(); });
    Loop::current().stop();
  });

  CHECK(trace == Trace{"failed"});
}

TEST_CASE("a run that stops while a fiber looks a name up ends the fiber") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      try {
        TcpStream::connect("slow.test", 80);
      } catch (const Cancelled&) {
        trace.push_back("cancelled");
        throw;
      }
    });
    yield();
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_close([] { test::let_slow_lookup_end(); });
    Loop::current().stop();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("run_on returns after a lookup that was under way when it stopped") {
  uv_loop_t loop;
  REQUIRE(uv_loop_init(&loop) == 0);
  Trace trace;

  run_on(&loop, [&] {
    TcpStream::connect("slow.test", 80, [&](Result<TcpStream> stream) {
      trace.push_back(stream ? "connected" : "failed");
    });
    auto listener = TcpListener::bind("127.0.0.1", 0);
    listener.on_close([] { test::let_slow_lookup_end(); });
    Loop::current().stop();
  });
  trace.push_back("returned");

  CHECK(trace == Trace{"failed", "returned"});
  CHECK(uv_loop_close(&loop) == 0);
}

TEST_CASE("a host with a null character in it is a usage error") {
  const std::string host("127.0.0.1\0.example", 18);

  test::run([&] {
    CHECK_THROWS_AS(TcpStream::connect(host, 80), UsageError);
    CHECK_THROWS_AS(TcpStream::connect(host, 80, [](Result<TcpStream>) {}), UsageError);
  });
}

TEST_CASE("connecting outside of a loop, or waiting for it in a callback, is a usage error") {
  CHECK_THROWS_AS(TcpStream::connect("127.0.0.1", 1), UsageError);
  CHECK_THROWS_AS(TcpStream::connect("127.0.0.1", 1, [](Result<TcpStream>) {}), UsageError);

  test::run(
      [] { next_tick([] { CHECK_THROWS_AS(TcpStream::connect("127.0.0.1", 1), UsageError); }); });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
