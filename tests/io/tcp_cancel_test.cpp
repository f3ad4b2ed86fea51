#include <array>
#include <chrono>
#include <exception>
#include <optional>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/tcp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::cancel_sweep;
using test::outcome;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/tcp_cancel");

std::size_t read_some(TcpStream& stream) {
  std::array<std::byte, 4096> buffer;
  return stream.read(buffer);
}

TEST_CASE("a deadline cuts accept and read") {
  bool accepts = false;
  SUBCASE("accept") {
    accepts = true;
  }
  SUBCASE("read") {
    accepts = false;
  }

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.address().port());
    auto server = listener.accept();
    const auto began = now();
    const bool finished = move_on_after(10ms, [&] {
      if (accepts) {
        listener.accept();
      } else {
        read_some(client);
      }
    });

    CHECK_FALSE(finished);
    CHECK(now() - began == 10ms);
  });
}

// A write that the kernel holds keeps the virtual clock from moving.
TEST_CASE("a deadline cuts a write to a peer that does not read") {
  test::run(
      [] {
        auto listener = TcpListener::bind("127.0.0.1", 0);
        auto client = TcpStream::connect("127.0.0.1", listener.address().port());
        auto server = listener.accept();
        const std::string much(std::size_t{1} << 20, 'x');
        for (int i = 0; i < 8; ++i) client.write(much, {});  // more than the kernel holds
        const bool finished = move_on_after(5ms, [&] { client.write(much); });

        CHECK_FALSE(finished);
        CHECK(client.is_closing());
      },
      {.clock = detail::Clock::kReal});
}

TEST_CASE("a read that a deadline cut loses nothing") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.address().port());
    auto server = listener.accept();
    CHECK_FALSE(move_on_after(5ms, [&] { read_some(client); }));
    server.write("late");

    CHECK(read_some(client) == 4);
  });
}

TEST_CASE("a cancelled connect leaves nothing open, by address and by name") {
  const char* host = "";
  SUBCASE("by address") {
    host = "127.0.0.1";
  }
  SUBCASE("by name") {
    host = "localhost";
  }

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    CancelScope scope;
    scope.cancel();
    CHECK_FALSE(scope.run([&] { TcpStream::connect(host, listener.address().port()); }));
    CancelScope later;
    auto task = spawn(
        [&] { return later.run([&] { TcpStream::connect(host, listener.address().port()); }); });
    yield();
    later.cancel();
    CHECK_FALSE(task.join());
  });
}

// Reads all that the peer sends, then answers and closes.
void answer(TcpListener& listener) {
  auto peer = listener.accept();
  while (read_some(peer) != 0) {
  }
  peer.write("reply");
  peer.shutdown();
  peer.close();
  peer.wait_closed();
}

TEST_CASE("a conversation over TCP can be cancelled anywhere") {
  const char* host = "";
  SUBCASE("by address") {
    host = "127.0.0.1";
  }
  SUBCASE("by name") {
    host = "localhost";
  }
  int cuts = 0;

  const auto conversation = [&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    task_group([&](TaskGroup& group) {
      group.spawn([&] { answer(listener); });
      auto client = TcpStream::connect(host, listener.address().port());
      client.write(std::string(std::size_t{1} << 18, 'x'));
      client.shutdown();
      while (read_some(client) != 0) {
      }
    });
    listener.close();
    listener.wait_closed();
  };
  const int points = cancel_sweep(conversation, cuts);

  CHECK(points >= 8);
  CHECK(cuts >= points);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
