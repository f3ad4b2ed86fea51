#include <array>
#include <cstddef>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/unique_function.h>
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
using test::seen;
using test::Trace;

using Bytes = std::span<const std::byte>;

constexpr std::size_t kTooMuch = 16 * 1024 * 1024;

std::string read_some(TcpStream& stream, std::size_t size) {
  std::string text(size, '\0');
  text.resize(stream.read(std::as_writable_bytes(std::span(text))));
  return text;
}

void settle() {
  for (int turn = 0; turn < 5; ++turn) {
    await<int>(
        [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
  }
}

// Two ends of a connection and what accepted it; everything else is an operation of a row below.
struct Scene {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  TcpStream client = TcpStream::connect("127.0.0.1", listener.port());
  TcpStream server = listener.accept();
  std::array<std::byte, 64> buffer{};
  std::vector<TcpStream> kept;
};

// One operation that takes a callback. `start` calls it in the context under test, with what the
// callback is to call; `cause` runs elsewhere and makes the callback happen.
struct Row {
  const char* api;
  void (*start)(Scene& scene, UniqueFunction<void()> seen);
  void (*cause)(Scene& scene);
};

void connect_here(Scene& scene) {
  scene.kept.push_back(TcpStream::connect("127.0.0.1", scene.listener.port()));
}
void peer_writes(Scene& scene) {
  scene.client.write("x");
}
void peer_closes(Scene& scene) {
  scene.client.close();
}
void peer_reads(Scene& scene) {
  for (std::size_t got = 0; got < kTooMuch;) got += read_some(scene.client, 1024 * 1024).size();
}
void nothing(Scene& /*scene*/) {}

void start_connect(Scene& scene, const char* host, UniqueFunction<void()> note) {
  TcpStream::connect(host, scene.listener.port(),
                     [note = std::move(note)](Result<TcpStream>) mutable { note(); });
}
void start_read(Scene& scene, UniqueFunction<void()> note) {
  scene.server.read(scene.buffer,
                    [note = std::move(note)](Result<std::size_t>) mutable { note(); });
}
void start_accept(Scene& scene, UniqueFunction<void()> note) {
  scene.listener.accept([note = std::move(note)](Result<TcpStream>) mutable { note(); });
}
void start_write(Scene& scene, std::size_t size, UniqueFunction<void()> note) {
  scene.server.write(std::string(size, 'x'),
                     [note = std::move(note)](Result<void>) mutable { note(); });
}

const Row kRows[] = {
    {"connect(address, done)",
     [](Scene& s, UniqueFunction<void()> n) { start_connect(s, "127.0.0.1", std::move(n)); },
     nothing},
    {"connect(name, done)",
     [](Scene& s, UniqueFunction<void()> n) { start_connect(s, "localhost", std::move(n)); },
     nothing},
    {"connect(done) that fails",
     [](Scene& /*s*/, UniqueFunction<void()> n) {
       TcpStream::connect(std::string(2000, 'n'), 1,
                          [n = std::move(n)](Result<TcpStream>) mutable { n(); });
     },
     nothing},
    {"accept(done)", start_accept, connect_here},
    {"accept(done) of a connection that waits",
     [](Scene& s, UniqueFunction<void()> n) { start_accept(s, std::move(n)); }, nothing},
    {"accept(done) closed", start_accept, [](Scene& s) { s.listener.close(); }},
    {"on_connection",
     [](Scene& s, UniqueFunction<void()> n) {
       s.listener.on_connection([n = std::move(n)](const TcpStream&) mutable { n(); });
     },
     connect_here},
    {"listener on_close",
     [](Scene& s, UniqueFunction<void()> n) { s.listener.on_close(std::move(n)); },
     [](Scene& s) { s.listener.close(); }},
    {"read(done)", start_read, peer_writes},
    {"read(done) of the end", start_read, peer_closes},
    {"read(done) closed", start_read, [](Scene& s) { s.server.close(); }},
    {"read(done) at once",
     [](Scene& s, UniqueFunction<void()> n) {
       s.server.close();
       start_read(s, std::move(n));
     },
     nothing},
    {"on_data",
     [](Scene& s, UniqueFunction<void()> n) {
       s.server.on_data([n = std::move(n)](Bytes) mutable { n(); });
     },
     peer_writes},
    {"on_end", [](Scene& s, UniqueFunction<void()> n) { s.server.on_end(std::move(n)); },
     [](Scene& s) {
       s.server.on_data([](Bytes) {});
       s.client.close();
     }},
    {"on_error",
     [](Scene& s, UniqueFunction<void()> n) {
       s.server.on_error([n = std::move(n)](const Error&) mutable { n(); });
     },
     [](Scene& s) {
       // A close with unread bytes is a reset.
       s.server.write("unread");
       settle();
       s.server.on_data([](Bytes) {});
       s.client.close();
     }},
    {"on_close", [](Scene& s, UniqueFunction<void()> n) { s.server.on_close(std::move(n)); },
     [](Scene& s) { s.server.close(); }},
    {"write(done) at once",
     [](Scene& s, UniqueFunction<void()> n) { start_write(s, 1, std::move(n)); }, nothing},
    {"write(done) later",
     [](Scene& s, UniqueFunction<void()> n) { start_write(s, kTooMuch, std::move(n)); },
     peer_reads},
    {"write(done) closed",
     [](Scene& s, UniqueFunction<void()> n) { start_write(s, kTooMuch, std::move(n)); },
     [](Scene& s) { s.server.close(); }},
    {"shutdown(done)",
     [](Scene& s, UniqueFunction<void()> n) {
       s.server.shutdown([n = std::move(n)](Result<void>) mutable { n(); });
     },
     nothing},
};

TEST_SUITE_BEGIN("io/tcp_context");

TEST_CASE("every callback of io sees the store of the call that took it, once") {
  const AsyncLocal<std::string> who;

  for (const Row& row : kRows) {
    CAPTURE(row.api);
    Trace trace;
    test::run([&] {
      auto scene = who.run("scene", [] { return std::make_unique<Scene>(); });
      who.run("waits already", [&] { connect_here(*scene); });
      if (std::string_view(row.api) != "accept(done) of a connection that waits") {
        scene->listener.accept();
      }
      who.run("call", [&] { row.start(*scene, [&] { trace.push_back(seen(who)); }); });
      CHECK(trace.empty());
      who.run("cause", [&] { row.cause(*scene); });
      while (trace.empty()) settle();
      settle();
    });
    CHECK(trace == Trace{"call"});
  }
}

TEST_CASE("a fiber keeps its own store across every call of io that waits") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto step = [&](const char* call) { trace.push_back(call + (" " + seen(who))); };
  const std::string large(kTooMuch, 'x');

  test::run([&] {
    auto listener = who.run("listener", [] { return TcpListener::bind("127.0.0.1", 0); });
    auto peer = who.run("peer", [&] {
      return spawn([&] {
        auto stream = TcpStream::connect("localhost", listener.port());
        stream.write("x");
        for (std::size_t got = 0; got < large.size();) got += read_some(stream, 1 << 20).size();
      });
    });
    who.run("fiber", [&] {
      auto stream = listener.accept();
      step("accept");
      read_some(stream, 1);
      step("read");
      stream.write(large);
      step("write");
      stream.shutdown();
      step("shutdown");
      stream.close();
      stream.wait_closed();
      step("wait_closed");
      auto other = TcpStream::connect("localhost", listener.port());
      step("connect");
      peer.join();
    });
  });

  CHECK(trace == Trace{"accept fiber", "read fiber", "write fiber", "shutdown fiber",
                       "wait_closed fiber", "connect fiber"});
}

TEST_CASE("the handlers of an accepted connection see the store of the call that set them") {
  const AsyncLocal<std::string> who;
  Trace trace;
  std::optional<TcpStream> server;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    who.run("server", [&] {
      listener.on_connection([&](TcpStream connection) {
        trace.push_back("connection " + seen(who));
        server = std::move(connection);
        who.run("data",
                [&] { server->on_data([&](Bytes) { trace.push_back("data " + seen(who)); }); });
        server->on_end([&] {
          trace.push_back("end " + seen(who));
          server->close();
        });
      });
    });
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    client.write("x");
    settle();
    client.close();
    settle();
  });

  CHECK(trace == Trace{"connection server", "data data", "end server"});
}

TEST_CASE("what a handler enters is gone when it returns") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Scene scene;
    who.run("set", [&] {
      scene.server.on_data([&](Bytes) {
        trace.push_back(seen(who));
        who.enter_with("entered");
        trace.push_back(seen(who));
      });
    });
    for (int i = 0; i < 2; ++i) {
      scene.client.write("x");
      settle();
    }
  });

  CHECK(trace == Trace{"set", "entered", "set", "entered"});
}

TEST_CASE("a replaced handler sees the store of the call that replaced it") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Scene scene;
    const auto note = [&](Bytes) { trace.push_back(seen(who)); };
    who.run("first", [&] { scene.server.on_data(note); });
    scene.client.write("x");
    settle();
    who.run("second", [&] { scene.server.on_data(note); });
    scene.client.write("x");
    settle();
  });

  CHECK(trace == Trace{"first", "second"});
}

TEST_CASE("a stream holds no store once it is closed") {
  const AsyncLocal<std::shared_ptr<int>> who;
  const auto store = std::make_shared<int>(0);

  test::run([&] {
    auto scene = who.run(store, [] { return std::make_unique<Scene>(); });
    who.run(store, [&] {
      scene->server.on_data([](Bytes) {});
      scene->server.on_close([] {});
      scene->listener.on_connection([](const TcpStream&) {});
    });
    CHECK(store.use_count() > 1);
    for (TcpStream* const stream : {&scene->client, &scene->server}) {
      stream->close();
      stream->wait_closed();
    }
    scene->listener.close();
    scene->listener.wait_closed();
    settle();
    CHECK(store.use_count() == 1);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
