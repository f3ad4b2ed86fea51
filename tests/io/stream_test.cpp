#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/pipe.h>
#include <weft/io/stream.h>
#include <weft/io/tcp.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>

namespace weft {
namespace {

using io::PipeStream;
using io::Stream;
using io::TcpListener;
using io::TcpStream;
using test::read_some;

TEST_SUITE_BEGIN("io/stream");

TEST_CASE("a stream of any kind is a Stream, which goes on where that was") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    const AsyncId id = left.async_id();
    left.write("first");
    Stream any = std::move(left);
    any.write(" second");

    CHECK(any.async_id() == id);
    CHECK(read_some(right) == "first second");
    CHECK_THROWS_AS(left.pause(), UsageError);
  });
}

TEST_CASE("what only TCP has is refused when another kind of stream was moved in") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto tcp = TcpStream::connect("127.0.0.1", listener.port());
    auto [left, right] = PipeStream::pair();
    static_cast<Stream&>(tcp) = std::move(left);
    tcp.write("text");

    CHECK(read_some(right) == "text");
    CHECK_THROWS_WITH_AS(
        tcp.set_no_delay(true),
        "set_no_delay: this object holds another stream; it needs a TCP connection", UsageError);
  });
}

TEST_CASE("try_write writes what there is room for, and nothing when there is none") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    const std::string much(10'000'000, 'x');
    const auto bytes = std::as_bytes(std::span(much));
    const std::size_t taken = left.try_write(bytes);

    CHECK(taken > 0);
    CHECK(taken < much.size());
    CHECK(left.try_write(bytes) == 0);
    CHECK(read_some(right) == std::string(1000, 'x'));
  });
}

TEST_CASE("try_write fails as write does") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    const auto bytes = std::as_bytes(std::span("x", 1));
    right.close();
    right.wait_closed();
    CHECK_THROWS_WITH_AS(left.try_write(bytes), "write pair: broken pipe (EPIPE)",
                         std::system_error);
    CHECK_THROWS_AS(right.try_write(bytes), std::system_error);
    left.shutdown([](Result<void>) {});
    CHECK_THROWS_AS(left.try_write(bytes), UsageError);
  });
}

TEST_CASE("the descriptor is that of the stream until it is closed") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    int type = 0;
    socklen_t size = sizeof type;
    CHECK(::getsockopt(left.fd(), SOL_SOCKET, SO_TYPE, &type, &size) == 0);
    CHECK(type == SOCK_STREAM);
    left.close();

    CHECK_THROWS_AS(static_cast<void>(left.fd()), std::system_error);
  });
}

}  // namespace
}  // namespace weft
