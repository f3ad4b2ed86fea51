#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/buffered_reader.h>
#include <weft/io/buffered_writer.h>
#include <weft/io/copy.h>
#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/io/testing/memory_stream.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>

namespace weft {
namespace {

using io::BufferedReader;
using io::BufferedWriter;
using io::PipeStream;
using io::TcpListener;
using io::TcpStream;
using io::testing::MemoryStream;
using test::read_to_end;
using namespace std::chrono_literals;

constexpr std::size_t kMuch = 1 << 20;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "none";
}

// A stream that yields `text` in pieces of so many bytes, and ends.
MemoryStream stream_of(std::string_view text, std::size_t piece_bytes = 3) {
  auto [writer, reader] = MemoryStream::pair({.capacity_bytes = kMuch, .piece_bytes = piece_bytes});
  writer.write(text);
  writer.shutdown();
  return std::move(reader);
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Stream>
std::string read_exactly(BufferedReader<Stream>& reader, std::size_t bytes) {
  std::string text(bytes, '\0');
  reader.read_exactly(std::as_writable_bytes(std::span(text)));
  return text;
}

TEST_SUITE_BEGIN("io/buffered");

TEST_CASE("lines are read one by one, and the last needs no end") {
  test::run([] {
    auto stream = stream_of("first\nsecond\r\n\nlast");
    BufferedReader reader(stream);

    CHECK(reader.read_line(100) == "first");
    CHECK(reader.read_line(100) == "second");
    CHECK(reader.read_line(100) == "");
    CHECK(reader.read_line(100) == "last");
    CHECK(reader.read_line(100) == std::nullopt);
    CHECK(reader.read_line(100) == std::nullopt);
  });
}

TEST_CASE("a line longer than the limit is refused, and stays to be read otherwise") {
  test::run([] {
    auto stream = stream_of("123456789\n");
    BufferedReader reader(stream);

    CHECK(error_of([&] { reader.read_line(9); }) ==
          "read_line: no end within the limit of 9 bytes: message too long (EMSGSIZE)");
    CHECK(reader.read_line(10) == "123456789");
  });
}

TEST_CASE("read_until yields the delimiter too, wherever the pieces of it arrive") {
  test::run([] {
    for (std::size_t piece = 1; piece < 6; ++piece) {
      auto stream = stream_of("a\r\n\r\nb\r\r\n\r\n", piece);
      BufferedReader reader(stream);
      CHECK(reader.read_until("\r\n\r\n", 100) == "a\r\n\r\n");
      CHECK(reader.read_until("\r\n\r\n", 100) == "b\r\r\n\r\n");
      CHECK(reader.read_until("\r\n\r\n", 100) == std::nullopt);
    }
  });
}

TEST_CASE("the end of the stream inside of what was asked for is an error, and loses nothing") {
  test::run([] {
    auto stream = stream_of("123");
    BufferedReader reader(stream);

    CHECK(error_of([&] { read_exactly(reader, 10); }) ==
          "read_exactly: the stream ended within 10 bytes: end of file (EOF)");
    CHECK(error_of([&] { reader.read_until(";", 100); }) ==
          "read_until: the stream ended within 4 bytes: end of file (EOF)");
    CHECK(reader.read_all(100) == "123");
    CHECK(reader.read_all(100) == "");
  });
}

TEST_CASE("exact sizes, single reads and what is left come from one buffer") {
  test::run([] {
    auto stream = stream_of("abcdefghijklmno");
    BufferedReader reader(stream, {.buffer_bytes = 4});
    CHECK(text_of(reader.peek(2)).starts_with("ab"));
    CHECK(read_exactly(reader, 5) == "abcde");
    CHECK(read_exactly(reader, 0) == "");
    std::string some(100, '\0');
    some.resize(reader.read(std::as_writable_bytes(std::span(some))));
    CHECK(std::string("fghijklmno").starts_with(some));
    CHECK(some + reader.read_all(10) == "fghijklmno");
    CHECK(reader.peek(1).empty());
  });
}

TEST_CASE("read_all refuses more than its limit, and takes as much") {
  test::run([] {
    auto stream = stream_of("12345");
    BufferedReader reader(stream);

    CHECK(error_of([&] { reader.read_all(4); }) ==
          "read_all: no end within the limit of 4 bytes: message too long (EMSGSIZE)");
    CHECK(reader.read_all(5) == "12345");
  });
}

TEST_CASE("a cancelled call loses nothing") {
  test::run([] {
    auto [writer, stream] = MemoryStream::pair();
    BufferedReader reader(stream);
    writer.write("half of ");
    CHECK_FALSE(move_on_after(1ms, [&, &in = reader] { in.read_line(100); }));
    CHECK_FALSE(move_on_after(1ms, [&, &in = reader] { read_exactly(in, 17); }));
    CHECK_FALSE(move_on_after(1ms, [&, &in = reader] { in.read_all(100); }));
    writer.write("the line\n");

    CHECK(reader.read_line(100) == "half of the line");
  });
}

TEST_CASE("small writes reach the stream together, when the buffer is full and by flush") {
  test::run([] {
    auto [stream, peer] = MemoryStream::pair();
    BufferedWriter writer(stream, {.buffer_bytes = 4});
    writer.write("ab");
    writer.write("cd");
    CHECK(writer.buffered() == 4);
    writer.write("e");
    CHECK(test::read_some(peer) == "abcd");
    writer.write("a large one");
    CHECK(test::read_some(peer) == "ea large one");
    CHECK(writer.buffered() == 0);
    writer.write("f");
    writer.flush();
    writer.flush();
    CHECK(test::read_some(peer) == "f");
  });
}

TEST_CASE("a failed write empties the buffer, so that the writer may go") {
  test::run([] {
    auto [stream, peer] = MemoryStream::pair();
    BufferedWriter writer(stream);
    writer.write("lost");
    peer.reset();

    CHECK_THROWS_AS(writer.flush(), std::system_error);
    CHECK(writer.buffered() == 0);
  });
}

TEST_CASE("a writer may go with bytes in it when an exception unwinds it, or they are discarded") {
  test::run([] {
    auto [stream, peer] = MemoryStream::pair();
    const auto fail = [&, &to = stream] {
      BufferedWriter writer(to);
      writer.write("x");
      throw std::runtime_error("failed");
    };
    CHECK_THROWS_WITH_AS(fail(), "failed", std::runtime_error);
    BufferedWriter writer(stream);
    writer.write("x");
    writer.discard();
  });
}

TEST_CASE("dropping a writer with bytes in it ends the process, and says what to do") {
  const auto child = test::run_in_child([] {
    test::run([] {
      auto [stream, peer] = MemoryStream::pair();
      BufferedWriter writer(stream);
      writer.write("forgotten");
    });
  });

  CHECK(child.status != 0);
  CHECK(child.says("a BufferedWriter was dropped with 9 bytes; call flush() or discard()"));
}

TEST_CASE("sizes of zero are refused") {
  test::run([] {
    auto [stream, peer] = MemoryStream::pair();
    CHECK_THROWS_AS(BufferedReader(stream, {.buffer_bytes = 0}), UsageError);
    CHECK_THROWS_AS(BufferedWriter(stream, {.buffer_bytes = 0}), UsageError);
    CHECK_THROWS_AS(io::copy(stream, peer, {.buffer_bytes = 0}), UsageError);
    CHECK_THROWS_AS(BufferedReader(stream).read_until("", 1), UsageError);
  });
}

TEST_CASE("copy takes all there is, or as much as is wanted") {
  test::run([] {
    auto from = stream_of("0123456789");
    auto [to, peer] = MemoryStream::pair();
    CHECK(io::copy(from, to, {.buffer_bytes = 2, .bytes_max = 5}) == 5);
    CHECK(test::read_some(peer) == "01234");
    CHECK(io::copy(from, to) == 5);
    CHECK(io::copy(from, to) == 0);
    to.shutdown();
    CHECK(read_to_end(peer) == "56789");
  });
}

TEST_CASE("copy reads no faster than what is copied is taken") {
  test::run([] {
    auto [source, from] = MemoryStream::pair({.capacity_bytes = 0});
    auto [to, sink] = MemoryStream::pair({.capacity_bytes = 4});
    auto copying = spawn([&, &in = from, &out = to] { return io::copy(in, out); });
    std::size_t written = 0;
    CHECK_FALSE(move_on_after(1ms, [&, &out = source] {
      for (;; ++written) out.write("x");
    }));

    CHECK(written <= 6);
    sink.close();
    CHECK_THROWS_AS(copying.join(), std::system_error);
  });
}

// The same over sockets: a client that sends lines, a server that answers each.
template <typename Stream>
std::string talk(Stream& client, Stream& server) {
  auto serving = spawn([&] {
    BufferedReader reader(server);
    BufferedWriter writer(server);
    while (auto line = reader.read_line(1000)) writer.write("[" + *line + "]");
    writer.flush();
    server.shutdown();
  });
  client.write("a\nb\nc\n");
  client.shutdown();
  const std::string answer = read_to_end(client);
  serving.join();
  return answer;
}

TEST_CASE("readers and writers stand on TCP, pipes and memory alike") {
  test::run([] {
    SUBCASE("TCP") {
      auto listener = TcpListener::bind("127.0.0.1", 0);
      auto client = TcpStream::connect("127.0.0.1", listener.port());
      auto server = listener.accept();
      CHECK(talk(client, server) == "[a][b][c]");
    }
    SUBCASE("a pipe") {
      auto [client, server] = PipeStream::pair();
      CHECK(talk(client, server) == "[a][b][c]");
    }
    SUBCASE("memory") {
      auto [client, server] = MemoryStream::pair();
      CHECK(talk(client, server) == "[a][b][c]");
    }
  });
}

}  // namespace
}  // namespace weft
