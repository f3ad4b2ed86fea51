#include <algorithm>
#include <array>
#include <cstddef>
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
#include <vector>

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

using Bytes = std::span<const std::byte>;

// More than the kernel takes while nobody reads.
constexpr std::size_t kTooMuch = 16 * 1024 * 1024;

struct Pair {
  TcpStream client;
  TcpStream server;
};

Pair make_pair() {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  auto client = TcpStream::connect("127.0.0.1", listener.port());
  return {std::move(client), listener.accept()};
}

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string read_all(TcpStream& stream) {
  std::string text;
  std::string part(256 * 1024, '\0');
  while (const std::size_t count = stream.read(std::as_writable_bytes(std::span(part)))) {
    text.append(part, 0, count);
  }
  return text;
}

// What arrives when `write` has written to one end of a connection.
template <typename Write>
std::string arrived_after(Write write) {
  std::string text;
  test::run([&] {
    auto [client, server] = make_pair();
    auto reader = spawn([&text, &stream = server] { text = read_all(stream); });
    write(client);
    client.shutdown();
    reader.join();
  });
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

Callback<void> note(Trace& trace, std::string name) {
  return [&trace, name = std::move(name)](Result<void> result) {
    trace.push_back(name + (result ? " done" : ": " + result.error().message()));
  };
}

TEST_SUITE_BEGIN("io/tcp_write");

TEST_CASE("write takes text, bytes and pieces") {
  const std::string got = arrived_after([](TcpStream& stream) {
    stream.write("text ");
    stream.write(bytes_of("bytes "));
    stream.write(std::array{bytes_of("pieces "), bytes_of("in "), bytes_of("order")});
  });

  CHECK(got == "text bytes pieces in order");
}

TEST_CASE("the forms with a callback write the same") {
  Trace trace;

  const std::string got = arrived_after([&](TcpStream& stream) {
    stream.write("text ", note(trace, "text"));
    stream.write(bytes_of("bytes "), note(trace, "bytes"));
    stream.write(std::array{bytes_of("pieces "), bytes_of("in order")}, note(trace, "pieces"));
    trace.push_back("returned");
    yield();
  });

  CHECK(got == "text bytes pieces in order");
  CHECK(trace == Trace{"returned", "text done", "bytes done", "pieces done"});
}

TEST_CASE("any number of pieces is written in order") {
  std::size_t count = 0;
  SUBCASE("none") {
    count = 0;
  }
  SUBCASE("one") {
    count = 1;
  }
  SUBCASE("eight") {
    count = 8;
  }
  SUBCASE("nine") {
    count = 9;
  }
  SUBCASE("as many as the kernel takes in one call") {
    count = 1024;
  }
  SUBCASE("one more than that") {
    count = 1025;
  }
  SUBCASE("many more than that") {
    count = 5000;
  }
  const std::string text = pattern(count * 3);
  std::vector<Bytes> pieces;
  for (std::size_t i = 0; i < count; ++i) pieces.push_back(bytes_of(text).subspan(i * 3, 3));

  const std::string got = arrived_after([&](TcpStream& stream) {
    stream.write(pieces);
    stream.write(pieces, {});
  });

  CHECK(got == text + text);
}

TEST_CASE("empty pieces and empty writes write nothing and complete") {
  Trace trace;

  const std::string got = arrived_after([&](TcpStream& stream) {
    stream.write("");
    stream.write("", note(trace, "empty"));
    stream.write(std::array{Bytes(), bytes_of("a"), Bytes(), bytes_of("b"), Bytes()});
    stream.write(std::vector<Bytes>(20), note(trace, "empty pieces"));
    yield();
  });

  CHECK(got == "ab");
  CHECK(trace == Trace{"empty done", "empty pieces done"});
}

TEST_CASE("many megabytes go there and back") {
  const std::string text = pattern(kTooMuch);
  std::string got;

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([stream = std::move(server)]() mutable {
      std::array<std::byte, 32 * 1024> part;
      while (const std::size_t count = stream.read(part)) {
        stream.write(std::span(part).first(count));
      }
    });
    auto reader = spawn([&got, &stream = client] { got = read_all(stream); });
    client.write(text);
    client.shutdown();
    reader.join();
  });

  CHECK(got == text);
}

TEST_CASE("many large pieces are taken up where the kernel left off") {
  const std::string text = pattern(kTooMuch);
  std::vector<Bytes> pieces;
  for (std::size_t at = 0; at < text.size(); at += 5000) {
    pieces.push_back(bytes_of(text).subspan(at, std::min<std::size_t>(5000, text.size() - at)));
  }

  const std::string got = arrived_after([&](TcpStream& stream) { stream.write(pieces); });

  CHECK(got == text);
}

TEST_CASE("with a callback the bytes may go when the call has returned") {
  const std::string text = pattern(kTooMuch);

  const std::string got = arrived_after([&](TcpStream& stream) {
    std::string first = text;
    stream.write(first, {});
    std::fill(first.begin(), first.end(), '?');
    std::string second = text;
    stream.write(std::array{bytes_of(second).first(1), bytes_of(second).subspan(1)}, {});
    std::fill(second.begin(), second.end(), '?');
  });

  CHECK(got == text + text);
}

TEST_CASE("writes go out and complete in the order of their calls") {
  const std::string large(kTooMuch, 'x');
  Trace trace;

  const std::string got = arrived_after([&](TcpStream& stream) {
    stream.write("1", note(trace, "small"));
    stream.write(large, note(trace, "large"));
    stream.write("2", note(trace, "behind it"));
    stream.write("3");
    trace.push_back("fiber done");
  });

  CHECK(got == "1" + large + "23");
  CHECK(trace == Trace{"small done", "large done", "behind it done", "fiber done"});
}

TEST_CASE("an empty write completes after those before it") {
  const std::string large(kTooMuch, 'x');
  Trace trace;

  const std::string got = arrived_after([&](TcpStream& stream) {
    stream.write(large, note(trace, "large"));
    stream.write("", note(trace, "empty"));
    stream.write(std::span<const Bytes>(), note(trace, "no pieces"));
    stream.write("");
    trace.push_back("fiber done");
  });

  CHECK(got == large);
  CHECK(trace == Trace{"large done", "empty done", "no pieces done", "fiber done"});
}

TEST_CASE("writes of two fibers do not interleave") {
  const std::string a(kTooMuch, 'a');
  const std::string b(kTooMuch, 'b');

  const std::string got = arrived_after([&](TcpStream& stream) {
    auto other = spawn([&] { stream.write(b); });
    stream.write(a);
    other.join();
  });

  CHECK(got == a + b);
}

TEST_CASE("a write the kernel takes at once does not let other fibers run") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&] { trace.push_back("another fiber"); });
    client.write("small");
    trace.push_back("written");
  });

  CHECK(trace == Trace{"written", "another fiber"});
}

TEST_CASE("a write after shutdown is a usage error") {
  test::run([] {
    auto [client, server] = make_pair();
    client.shutdown();

    CHECK_THROWS_WITH_AS(client.write("late"),
                         "write: the stream was shut down; write before shutdown()", UsageError);
    CHECK_THROWS_AS(client.write("late", [](Result<void>) {}), UsageError);
  });
}

TEST_CASE("a write to a closed stream fails with bad_file_descriptor") {
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.close();
    client.write("late", note(trace, "write"));
    client.shutdown(note(trace, "shutdown"));
    trace.push_back("returned");
    CHECK_THROWS_WITH_AS(client.write("late"),
                         "write: the stream is closed: bad file descriptor (EBADF)",
                         std::system_error);
    CHECK_THROWS_AS(client.shutdown(), std::system_error);
    client.wait_closed();
    CHECK_THROWS_AS(client.write("later still"), std::system_error);
  });

  CHECK(trace == Trace{"returned", "write: bad file descriptor (EBADF)",
                       "shutdown: bad file descriptor (EBADF)"});
}

TEST_CASE("writing to a peer that is gone is an error and does not end the process") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const io::Address to = listener.address();
    REQUIRE(::connect(fd, to.raw(), sizeof(sockaddr_in)) == 0);
    auto server = listener.accept();
    const std::string peer = server.peer_address().to_string();
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd);

    CHECK_THROWS_WITH_AS(server.write("a"),
                         ("write " + peer + ": connection reset by peer (ECONNRESET)").c_str(),
                         std::system_error);
    for (int i = 0; i < 3; ++i) {
      try {
        server.write("b");
        FAIL("written to nobody");
      } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::broken_pipe);
      }
    }
  });
}

TEST_CASE("a blocked write fails when its peer goes away") {
  const std::string large(kTooMuch, 'x');

  test::run([&] {
    auto [client, server] = make_pair();
    spawn([&, stream = std::move(server)]() mutable {
      next_turn();
      stream.close();
    });

    CHECK_THROWS_AS(client.write(large), std::system_error);
    CHECK_FALSE(client.is_closing());
  });
}

TEST_CASE("closing a stream completes its blocked writes with operation_canceled") {
  const std::string large(kTooMuch, 'x');
  Trace trace;

  test::run([&] {
    auto [client, server] = make_pair();
    client.write(large, note(trace, "first"));
    client.write("2", note(trace, "second"));
    client.shutdown(note(trace, "shutdown"));
    client.on_close([&] { trace.push_back("closed"); });
    client.close();
    trace.push_back("close returned");
    client.wait_closed();
  });

  const std::string text = ": operation canceled (ECANCELED)";
  CHECK(trace ==
        Trace{"close returned", "first" + text, "second" + text, "shutdown" + text, "closed"});
}

TEST_CASE("a fiber cancelled in a blocked write closes the stream") {
  const std::string large(kTooMuch, 'x');

  test::run([&] {
    auto [client, server] = make_pair();
    auto writer = spawn([&, &stream = client] { stream.write(large); });
    next_turn();
    CHECK_FALSE(writer.done());
    writer.cancel();

    CHECK_THROWS_AS(writer.join(), std::system_error);
    CHECK(client.is_closing());
    client.wait_closed();
  });
}

TEST_CASE("what the kernel does not take is counted until it is written") {
  const std::string large(kTooMuch, 'x');
  std::size_t queued_at_done = 1;

  test::run([&] {
    auto [client, server] = make_pair();
    CHECK(client.write_queue_bytes() == 0);
    client.write("taken at once", {});
    CHECK(client.write_queue_bytes() == 0);

    client.write(large, {});
    const std::size_t queued = client.write_queue_bytes();
    CHECK(queued > 0);
    CHECK(queued <= large.size());
    bool is_over = false;
    client.write("behind it", [&, &stream = client](Result<void>) {
      queued_at_done = stream.write_queue_bytes();
      is_over = true;
    });
    CHECK(client.write_queue_bytes() == queued + 9);

    std::size_t got = 0;
    std::array<std::byte, 65536> buffer;
    while (got < large.size() + 13 + 9) got += server.read(buffer);
    while (!is_over) next_turn();
    client.close();
    client.wait_closed();
    CHECK(client.write_queue_bytes() == 0);
  });

  CHECK(queued_at_done == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
