#include <array>
#include <cstddef>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
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

using Bytes = std::span<const std::byte>;

struct Pair {
  TcpStream client;
  TcpStream server;
};

Pair make_pair() {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  auto client = TcpStream::connect("127.0.0.1", listener.port());
  return {std::move(client), listener.accept()};
}

std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string read_some(TcpStream& stream, std::size_t size) {
  std::string text(size, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

// Lets what is on its way over loopback arrive.
void settle() {
  for (int turn = 0; turn < 5; ++turn) {
    await<int>(
        [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
  }
}

TEST_SUITE_BEGIN("io/tcp_handlers");

TEST_CASE("a server and its client need no fiber") {
  Trace trace;
  std::optional<TcpListener> listener;
  std::optional<TcpStream> server;
  std::optional<TcpStream> client;
  const auto serve = [&](TcpStream connection) {
    server = std::move(connection);
    server->on_data([&](Bytes bytes) { server->write(bytes, {}); });
    server->on_end([&] { server->close(); });
    server->on_close([&] { trace.push_back("server closed"); });
    listener->close();
  };
  const auto talk = [&](Result<TcpStream> stream) {
    client = std::move(stream).value();
    client->on_data([&](Bytes bytes) {
      trace.push_back("client got " + text_of(bytes));
      client->shutdown({});
    });
    client->on_end([&] { client->close(); });
    client->on_close([&] { trace.push_back("client closed"); });
    client->write("ping", {});
  };

  test::run([&] {
    next_tick([&] {
      listener = TcpListener::bind("127.0.0.1", 0);
      listener->on_connection(serve);
      TcpStream::connect("127.0.0.1", listener->port(), talk);
    });
  });

  CHECK(trace == Trace{"client got ping", "server closed", "client closed"});
}

TEST_CASE("on_data gets every byte in order, then on_end is called once") {
  const std::string text(1'000'000, 'x');
  std::string got;
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    server.on_data([&](Bytes bytes) { got += text_of(bytes); });
    server.on_end([&] { trace.push_back("end"); });
    client.write(text);
    client.close();
    while (trace.empty()) settle();
    settle();
  });

  CHECK(got == text);
  CHECK(trace == Trace{"end"});
}

TEST_CASE("handlers are never called from inside the call that takes them") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write("abc");
    client.close();
    CHECK(read_some(server, 1) == "a");
    settle();
    server.on_end([&] { trace.push_back("end"); });
    server.on_data([&](Bytes bytes) { trace.push_back(text_of(bytes)); });
    trace.push_back("on_data returned");
    server.pause();
    server.resume();
    trace.push_back("resume returned");
    settle();
  });

  CHECK(trace == Trace{"on_data returned", "resume returned", "bc", "end"});
}

TEST_CASE("on_data's handler is never called without bytes") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write("abcd");
    CHECK(read_some(server, 4) == "abcd");
    settle();
    server.on_data([&](Bytes bytes) { trace.push_back("'" + text_of(bytes) + "'"); });
    settle();
    client.write("e");
    settle();
  });

  CHECK(trace == Trace{"'e'"});
}

TEST_CASE("the end of a stream that had ended before on_data is told, once") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.close();
    CHECK(read_some(server, 1).empty());
    server.on_end([&] { trace.push_back("end"); });
    server.on_data([&](Bytes bytes) { trace.push_back("'" + text_of(bytes) + "'"); });
    settle();
    server.resume();
    settle();
    server.on_data([&](Bytes) { trace.push_back("data"); });
    settle();
  });

  CHECK(trace == Trace{"end"});
}

TEST_CASE("without on_end the end of the stream closes it") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    server.on_data([](Bytes) {});
    server.on_close([&] { trace.push_back("closed"); });
    client.shutdown();
    CHECK(read_some(client, 1).empty());
    server.wait_closed();
  });

  CHECK(trace == Trace{"closed"});
}

TEST_CASE("with on_end the stream stays open and writes on") {
  test::run([] {
    auto [client, server] = make_pair();
    server.on_data([](Bytes) {});
    server.on_end([&stream = server] { stream.write("after the end", {}); });
    client.shutdown();

    CHECK(read_some(client, 100) == "after the end");
    CHECK_FALSE(server.is_closing());
  });
}

TEST_CASE("an error goes to on_error's handler; without one it closes the stream") {
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const io::Address to = listener.address();
    REQUIRE(::connect(fd, to.raw(), sizeof(sockaddr_in)) == 0);
    auto server = listener.accept();
    server.on_data([](Bytes) {});
    server.on_end([&] { trace.push_back("end"); });
    server.on_close([&] { trace.push_back("closed"); });
    SUBCASE("with") {
      server.on_error([&](const Error& error) {
        CHECK(error.code == std::errc::connection_reset);
        trace.push_back(std::string("error ") + (server.is_closing() ? "closing" : "open"));
        server.close();
      });
    }
    SUBCASE("without") {
      trace.push_back("error open");
    }
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd);
    server.wait_closed();
  });

  CHECK(trace == Trace{"error open", "closed"});
}

TEST_CASE("a paused stream hands over nothing until it is resumed") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    server.on_data([&](Bytes bytes) { trace.push_back(text_of(bytes)); });
    server.on_end([&] { trace.push_back("end"); });
    server.pause();
    client.write("abc");
    client.close();
    settle();
    trace.push_back("resume");
    server.resume();
    settle();
  });

  CHECK(trace == Trace{"resume", "abc", "end"});
}

TEST_CASE("pausing in the handler holds back what comes behind it") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    std::size_t got = 0;
    server.on_data([&, &stream = server](Bytes bytes) {
      got += bytes.size();
      stream.pause();
      trace.push_back(got < 200'000 ? "part" : "last");
    });
    client.write(std::string(200'000, 'x'));
    client.close();
    settle();
    CHECK(trace == Trace{"part"});
    while (got < 200'000) {
      server.resume();
      settle();
    }
  });

  CHECK(trace.back() == "last");
}

TEST_CASE("pausing a stream without a handler does not disturb its reads") {
  test::run([] {
    auto [client, server] = make_pair();
    auto reader = spawn([&stream = server] { return read_some(stream, 10); });
    yield();
    server.pause();
    server.resume();
    client.write("abc");
    settle();

    CHECK(reader.done());
    server.close();
    CHECK(reader.join() == "abc");
  });
}

TEST_CASE("a handler may be replaced from inside itself, more than once") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    const auto first = std::make_shared<std::string>("first ");
    server.on_data([&, &stream = server, first](Bytes bytes) {
      stream.on_data([](Bytes) {});
      stream.on_data([&](Bytes more) { trace.push_back("second " + text_of(more)); });
      trace.push_back(*first + text_of(bytes));
    });
    client.write("a");
    settle();
    CHECK(first.use_count() == 1);
    client.write("b");
    settle();
  });

  CHECK(trace == Trace{"first a", "second b"});
}

TEST_CASE("a handler removed from inside itself leaves what follows to reads") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    const auto name = std::make_shared<std::string>("handler ");
    server.on_data([&, &stream = server, name](Bytes bytes) {
      stream.on_data(nullptr);
      trace.push_back(*name + text_of(bytes));
    });
    client.write("a");
    settle();
    client.write("b");
    trace.push_back("read " + read_some(server, 10));
  });

  CHECK(trace == Trace{"handler a", "read b"});
}

TEST_CASE("a stream may be dropped inside each of its own handlers") {
  Trace trace;
  const auto token = std::make_shared<int>(0);

  test::run([&] {
    auto [client, stream] = make_pair();
    const auto owner = std::make_shared<std::optional<TcpStream>>(std::move(stream));
    const auto drop = [&trace, owner, token] {
      trace.push_back("dropped");
      owner->reset();
    };
    SUBCASE("on_data") {
      (*owner)->on_data([drop](Bytes) { drop(); });
    }
    SUBCASE("on_end") {
      (*owner)->on_data([](Bytes) {});
      (*owner)->on_end(drop);
    }
    SUBCASE("on_close") {
      (*owner)->on_data([](Bytes) {});
      (*owner)->on_close(drop);
    }
    client.write("a");
    client.close();
    settle();
  });

  CHECK(trace == Trace{"dropped"});
  CHECK(token.use_count() == 1);
}

TEST_CASE("a stream its own handlers own is gone when it is closed") {
  const auto token = std::make_shared<int>(0);

  test::run([&] {
    auto [client, stream] = make_pair();
    const auto owner = std::make_shared<TcpStream>(std::move(stream));
    owner->on_data([owner, token](Bytes bytes) { owner->write(bytes, {}); });
    owner->on_end([owner, token] { owner->close(); });
    owner->on_close([owner, token] {});
    client.write("a");
    CHECK(read_some(client, 1) == "a");
    client.shutdown();
    CHECK(read_some(client, 1).empty());
  });

  CHECK(token.use_count() == 1);
}

TEST_CASE("a handler that sets the others sees them called") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    server.on_data([&, &stream = server](Bytes) {
      stream.on_end([&] {
        trace.push_back("end");
        stream.on_close([&] { trace.push_back("closed"); });
        stream.close();
      });
    });
    client.write("a");
    client.close();
    server.wait_closed();
  });

  CHECK(trace == Trace{"end", "closed"});
}

TEST_CASE("an exception of a handler goes to the uncaught handler, and the stream goes on") {
  Trace trace;

  test::run(
      [&] {
        auto [client, server] = make_pair();
        server.on_data([&](Bytes bytes) { throw std::runtime_error(text_of(bytes)); });
        client.write("a");
        settle();
        client.write("b");
        settle();
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         try {
           std::rethrow_exception(error);
         } catch (const std::runtime_error& thrown) {
           trace.push_back(thrown.what());
         }
       }}});

  CHECK(trace == Trace{"a", "b"});
}

TEST_CASE("waiting inside a handler is a usage error") {
  test::run([] {
    auto [client, server] = make_pair();
    std::array<std::byte, 1> buffer{};
    server.on_data([&, &stream = server](Bytes) {
      stream.on_data(nullptr);
      CHECK_THROWS_AS(stream.read(buffer), UsageError);
      CHECK_THROWS_AS(stream.write("b"), UsageError);
      stream.close();
    });
    client.write("a");
    server.wait_closed();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
