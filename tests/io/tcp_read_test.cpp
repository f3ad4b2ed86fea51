#include <algorithm>
#include <array>
#include <cstddef>
#include <netinet/in.h>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Trace;

struct Pair {
  TcpStream client;
  TcpStream server;
};

Pair make_pair() {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  auto client = TcpStream::connect("127.0.0.1", listener.port());
  return {std::move(client), listener.accept()};
}

// One read of up to `size` bytes; empty at the end of the stream.
std::string read_some(TcpStream& stream, std::size_t size) {
  std::string text(size, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

std::string read_all(TcpStream& stream, std::size_t step) {
  std::string text;
  for (std::string part; !(part = read_some(stream, step)).empty();) text += part;
  return text;
}

// Text that differs at every place.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

void next_turn() {
  await<int>(
      [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
}

// A client of the system's own calls.
class RawClient {
 public:
  explicit RawClient(const TcpListener& listener) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const io::Address to = listener.address();
    REQUIRE(::connect(fd_, to.raw(), sizeof(sockaddr_in)) == 0);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { ::close(fd_); }

  // Closes with a reset instead of an end of stream.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
  }
  // Sends until the kernel takes no more; returns how many bytes it took.
  std::size_t fill() {
    static const std::string bytes(64 * 1024, 'x');
    std::size_t total = 0;
    for (ssize_t sent = 0; sent >= 0;
         total += static_cast<std::size_t>(std::max<ssize_t>(sent, 0))) {
      sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return total;
  }

 private:
  int fd_;
};

TEST_SUITE_BEGIN("io/tcp_read");

TEST_CASE("what one end writes the other reads") {
  std::size_t size = 0;
  SUBCASE("one byte") {
    size = 1;
  }
  SUBCASE("a line") {
    size = 80;
  }
  SUBCASE("more than the buffer for bytes nobody waits for") {
    size = 100'000;
  }
  SUBCASE("a megabyte and one") {
    size = 1024 * 1024 + 1;
  }
  const std::string text = pattern(size);

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&text, client = std::move(client)]() mutable { client.write(text); });

    CHECK(read_all(server, 64 * 1024) == text);
  });
}

TEST_CASE("a read returns as soon as there is one byte, and never more than it asked for") {
  test::run([] {
    auto [client, server] = make_pair();
    client.write("abc");

    CHECK(read_some(server, 2) == "ab");
    CHECK(read_some(server, 100) == "c");
    client.write("d");
    CHECK(read_some(server, 100) == "d");
  });
}

TEST_CASE("bytes that came while nobody read are there at once, without a wait") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write("abcdef");
    CHECK(read_some(server, 1) == "a");
    next_turn();
    spawn([&] { trace.push_back("another fiber"); });

    for (const char* expected : {"b", "c", "d"}) {
      CHECK(read_some(server, 1) == expected);
      trace.push_back(expected);
    }
    yield();
    CHECK(read_some(server, 10) == "ef");
  });

  CHECK(trace == Trace{"b", "c", "d", "another fiber"});
}

TEST_CASE("a stream read in small pieces with pauses gives every byte in order") {
  const std::string text = pattern(200'000);
  std::string got;

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&text, client = std::move(client)]() mutable { client.write(text); });

    for (std::string part; !(part = read_some(server, 1000)).empty();) {
      got += part;
      if (got.size() % 3000 == 0) next_turn();
    }
  });

  CHECK(got == text);
}

TEST_CASE("a full buffer read in part goes on when the rest of it is read") {
  const std::string text = pattern(64 * 1024);
  std::string got;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write(text);
    client.shutdown();
    got = read_some(server, 1);
    for (int turn = 0; turn < 5; ++turn) next_turn();
    got += read_some(server, 1);
    for (int turn = 0; turn < 5; ++turn) next_turn();
    got += read_all(server, 10'000);
  });

  CHECK(got == text);
}

TEST_CASE("a sender is held back while nobody reads, and all it sent arrives in order") {
  const std::string chunk = pattern(64 * 1024);
  constexpr int kChunks = 256;
  int sent = 0;

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&, peer = std::move(client)]() mutable {
      for (; sent < kChunks; ++sent) peer.write(chunk);
    });
    std::string got = read_some(server, 1);
    for (int quiet = 0, before = -1; quiet < 10; quiet = sent == before ? quiet + 1 : 0) {
      before = sent;
      next_turn();
    }
    CHECK(sent < kChunks);

    while (got.size() < chunk.size()) got += read_some(server, chunk.size() - got.size());
    for (int i = 0; i < kChunks; ++i) {
      REQUIRE(got == chunk);
      got.clear();
      while (got.size() < chunk.size() && i + 1 < kChunks) {
        got += read_some(server, chunk.size() - got.size());
      }
    }
    CHECK(read_some(server, 1).empty());
  });

  CHECK(sent == kChunks);
}

TEST_CASE("a stream that has buffered its fill takes no more from the kernel") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    RawClient client(listener);
    auto server = listener.accept();
    client.fill();
    read_some(server, 1);
    std::size_t more = 0;
    for (int turn = 0; turn < 100; ++turn) {
      next_turn();
      more += client.fill();
    }

    CHECK(more < 1024 * 1024);
    CHECK(read_some(server, 1) == "x");
  });
}

TEST_CASE("the end of a stream is 0, again and again") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write("last");
    client.close();

    CHECK(read_some(server, 100) == "last");
    for (int i = 0; i < 3; ++i) CHECK(read_some(server, 100).empty());
    std::array<std::byte, 1> byte{};
    server.read(byte, [&](Result<std::size_t> count) {
      trace.push_back(count ? "read " + std::to_string(*count) : count.message());
    });
    trace.push_back("returned");
    yield();
  });

  CHECK(trace == Trace{"returned", "read 0"});
}

TEST_CASE("bytes that came before the end are read before it") {
  test::run([] {
    auto [client, server] = make_pair();
    client.write("abc");
    client.close();
    CHECK(read_some(server, 1) == "a");
    for (int turn = 0; turn < 5; ++turn) next_turn();

    CHECK(read_some(server, 1) == "b");
    CHECK(read_some(server, 10) == "c");
    CHECK(read_some(server, 10).empty());
  });
}

TEST_CASE("a read with a callback calls it once, after it has returned") {
  std::array<std::byte, 10> buffer{};
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    const bool waits_already = [] {
      bool early = false;
      SUBCASE("for bytes that come later") {}
      SUBCASE("for bytes that are there") {
        early = true;
      }
      return early;
    }();
    client.write(waits_already ? "xabc" : "x");
    read_some(server, 1);
    next_turn();
    server.read(buffer, [&](Result<std::size_t> count) {
      trace.push_back(std::string(reinterpret_cast<const char*>(buffer.data()), count.value()));
    });
    trace.push_back("returned");
    if (!waits_already) client.write("abc");
    for (int turn = 0; turn < 5; ++turn) next_turn();
  });

  CHECK(trace == Trace{"returned", "abc"});
}

TEST_CASE("a second read at a time, or one into an empty buffer, is a usage error") {
  test::run([] {
    auto [client, server] = make_pair();
    std::array<std::byte, 4> buffer{};
    std::string got;
    auto reader = spawn([&, &stream = server] { got = read_some(stream, 4); });
    yield();

    CHECK_THROWS_WITH_AS(server.read(buffer), "read: another read is pending; one at a time",
                         UsageError);
    CHECK_THROWS_AS(server.read(buffer, [](Result<std::size_t>) {}), UsageError);
    CHECK_THROWS_AS(server.on_data([](std::span<const std::byte>) {}), UsageError);
    CHECK_THROWS_WITH_AS(server.read({}), "read: the buffer is empty; 0 means end of stream",
                         UsageError);

    client.write("abcd");
    reader.join();
    CHECK(got == "abcd");
  });
}

TEST_CASE("closing a stream completes its pending read with operation_canceled") {
  std::array<std::byte, 1> buffer{};
  Trace trace;
  const auto note = [&](const std::error_code& code) {
    trace.push_back(code == std::errc::operation_canceled ? "cancelled" : code.message());
  };

  test::run([&] {
    auto [client, stream] = make_pair();
    auto server = std::make_optional(std::move(stream));
    SUBCASE("in a callback") {
      server->read(buffer, [&](Result<std::size_t> count) { note(count.error()); });
    }
    SUBCASE("in a fiber") {
      spawn([&, &reader = *server] {
        try {
          reader.read(buffer);
        } catch (const std::system_error& error) {
          note(error.code());
        }
      });
      yield();
    }
    SUBCASE("by dropping the owner") {
      server->read(buffer, [&](Result<std::size_t> count) { note(count.error()); });
      server.reset();
    }
    if (server) server->close();
    trace.push_back("close returned");
    if (server) server->wait_closed();
  });

  CHECK(trace == Trace{"close returned", "cancelled"});
}

TEST_CASE("a read of a closed stream fails with bad_file_descriptor") {
  std::array<std::byte, 1> buffer{};
  std::optional<std::error_code> in_callback;

  test::run([&] {
    auto [client, server] = make_pair();
    server.close();
    server.read(buffer, [&](Result<std::size_t> count) { in_callback = count.error(); });
    CHECK_FALSE(in_callback.has_value());
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_WITH_AS(server.read(buffer),
                           "read: the stream is closed: bad file descriptor (EBADF)",
                           std::system_error);
      server.wait_closed();
    }
  });

  REQUIRE(in_callback.has_value());
  CHECK(*in_callback == std::errc::bad_file_descriptor);
}

TEST_CASE("a read after the close is bad_file_descriptor, even while another is pending") {
  std::array<std::byte, 1> buffer{};
  Trace trace;
  const auto note = [&](const char* name) {
    return [&trace, name](Result<std::size_t> count) {
      trace.push_back(name + count.error().message());
    };
  };

  test::run([&] {
    auto [client, server] = make_pair();
    server.read(buffer, note("pending: "));
    server.close();
    server.read(buffer, note("late: "));
    CHECK_THROWS_AS(server.read(buffer), std::system_error);
    server.wait_closed();
  });

  CHECK(trace ==
        Trace{"late: bad file descriptor (EBADF)", "pending: operation canceled (ECANCELED)"});
}

TEST_CASE("an empty callback of read is a usage error") {
  std::array<std::byte, 1> buffer{};

  test::run([&] {
    auto [client, server] = make_pair();

    CHECK_THROWS_WITH_AS(server.read(buffer, {}), doctest::Contains("read"), UsageError);
  });
}

TEST_CASE("a reset by the peer is connection_reset and names the peer, again and again") {
  std::array<std::byte, 1> buffer{};

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    RawClient client(listener);
    auto server = listener.accept();
    const std::string text =
        "read " + server.peer_address().to_string() + ": connection reset by peer (ECONNRESET)";
    client.reset();

    for (int i = 0; i < 2; ++i) {
      try {
        server.read(buffer);
        FAIL("read from a peer that is gone");
      } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::connection_reset);
        CHECK(error.what() == text);
      }
    }
  });
}

TEST_CASE("a fiber cancelled in a read loses no bytes") {
  test::run([] {
    auto [client, server] = make_pair();
    auto reader = spawn([&stream = server] { read_some(stream, 10); });
    yield();
    reader.cancel();
    CHECK_THROWS_AS(reader.join(), std::system_error);

    client.write("abc");
    next_turn();

    CHECK(read_some(server, 10) == "abc");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
