#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <weft/io/fs.h>
#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/io/udp.h>
#include <weft/runtime/active_resources.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::Trace;

TEST_SUITE_BEGIN("io/active_resources");

Trace types() {
  Trace types;
  for (const ActiveResource& one : active_resources()) types.push_back(one.type);
  return types;
}

TEST_CASE("a listener is named with the line that bound it") {
  test::run([] {
    const int line = __LINE__ + 1;
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    const auto active = active_resources();

    REQUIRE(active.size() == 1);
    CHECK(active[0].type == "TCPSERVERWRAP");
    CHECK(active[0].async_id == listener.async_id());
    CHECK(active[0].created_at.line == line);
    CHECK(std::string_view(active[0].created_at.file).ends_with("active_resources_test.cpp"));
    listener.unref();
    CHECK(active_resources().empty());
  });
}

TEST_CASE("a connection that reads is named with the line that connected, or that listens") {
  test::run([] {
    const int bound = __LINE__ + 1;
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    auto client = spawn([&] { return io::TcpStream::connect("127.0.0.1", listener.port()); });
    const int connected = __LINE__ - 1;
    auto peer = listener.accept();
    auto stream = client.join();
    listener.unref();
    CHECK(types().empty());

    peer.on_data([](auto) {});
    stream.on_data([](auto) {});

    const auto active = active_resources();
    REQUIRE(active.size() == 2);
    CHECK(active[0].created_at.line == connected);
    CHECK(active[1].created_at.line == bound);
    peer.close();
    CHECK(types() == Trace{"TCPWRAP"});
  });
}

TEST_CASE("pipes, datagrams and files are named by Node's types") {
  test::run([] {
    auto [first, second] = io::PipeStream::pair();
    first.on_data([](auto) {});
    auto socket = io::UdpSocket::bind("127.0.0.1", 0);
    socket.on_message([](auto, const auto&) {});
    io::stat("/", [](const auto&) {});

    CHECK(types() == Trace{"PIPEWRAP", "UDPWRAP", "FSREQCALLBACK"});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
