// What run_test() says of connections that a test leaves behind.
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/snapshot.h>
#include <weft/io/tcp.h>
#include <weft/runtime/task.h>
#include <weft/runtime/testing/run_test.h>
#include <weft/tests/support/complaint.h>

namespace weft {
namespace {

using test::complaint_of;
using test::contains;
using testing::run_test;
using testing::TestFailure;
using testing::TestOptions;
using testing::wait_all_parked;

TEST_SUITE_BEGIN("io/testing_leftovers");

TEST_CASE("a fiber that accepts for ever fails the test instead of hanging it") {
  const std::string text = complaint_of([] {
    spawn([] { io::TcpListener::bind("127.0.0.1", 0).accept(); }, {.name = "server"}).detach();
  });

  CHECK(contains(text, "'server'"));
  CHECK(contains(text, "waits in accept"));
  CHECK(contains(text, "TCPSERVERWRAP"));
  CHECK(contains(text, "is still open"));
}

TEST_CASE("a handle that outlives the body fails the test, referenced or not") {
  std::optional<io::TcpListener> kept;
  bool is_referenced = false;
  SUBCASE("referenced") {
    is_referenced = true;
  }
  SUBCASE("unreferenced") {}

  const std::string text = complaint_of([&] {
    kept = io::TcpListener::bind("127.0.0.1", 0);
    if (!is_referenced) kept->unref();
  });

  CHECK(contains(text, "TCPSERVERWRAP"));
}

TEST_CASE("a test that closes what it opened is content") {
  const std::string text = complaint_of([] {
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    auto accepting = spawn([&] { listener.accept(); });
    auto connected = io::TcpStream::connect("127.0.0.1", listener.port());
    accepting.join();
  });

  CHECK(text == "");
}

TEST_CASE("wait_all_parked waits for what is under way over loopback") {
  run_test([] {
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    std::string got;
    auto serving = spawn([&] {
      auto peer = listener.accept();
      std::array<std::byte, 8> buffer;
      const std::size_t count = peer.read(buffer);
      got.assign(reinterpret_cast<const char*>(buffer.data()), count);
    });
    auto client = io::TcpStream::connect("127.0.0.1", listener.port());
    client.write("ping");
    wait_all_parked();

    CHECK(got == "ping");
  });
}

TEST_CASE("a handler that was set outside of the test's context is called outside of it") {
  const Snapshot outside = Snapshot::capture();
  const std::string text = complaint_of(
      [&outside] {
        auto listener = io::TcpListener::bind("127.0.0.1", 0);
        auto accepting = spawn([&] { return listener.accept(); });
        auto client = io::TcpStream::connect("127.0.0.1", listener.port());
        auto peer = accepting.join();
        outside([&] { peer.on_data([](std::span<const std::byte>) {}); });
        client.write("ping");
        wait_all_parked();
      },
      {.watches_contexts = true});

  CHECK(contains(text, "TCPWRAP"));
  CHECK(contains(text, "was called outside of the test's context"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
