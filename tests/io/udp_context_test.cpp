#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Address;
using io::UdpSocket;
using test::receive_text;
using test::seen;
using test::StuckSender;
using test::Trace;
using test::udp_socket;
using test::wait_all_parked;

using Bytes = std::span<const std::byte>;

// Two sockets; everything else is an operation of a row below.
struct Scene {
  UdpSocket socket = udp_socket({.batch_max = 2});
  UdpSocket other = udp_socket();
  StuckSender stuck;
  std::array<std::byte, 16> buffer{};
};

// One operation that takes a callback. `start` calls it in the context under test, with what the
// callback is to call; `cause` runs elsewhere and makes the callback happen.
struct Row {
  const char* api;
  void (*start)(Scene& scene, UniqueFunction<void()> seen);
  void (*cause)(Scene& scene);
};

// A callback of any result that calls `note`.
template <typename T>
Callback<T> calls(UniqueFunction<void()> note) {
  return [note = std::move(note)](const Result<T>&) mutable { note(); };
}

void peer_sends(Scene& scene) {
  scene.other.send_to("x", scene.socket.local_address());
}
void closes(Scene& scene) {
  scene.socket.close();
}
void nothing(Scene& /*scene*/) {}

void start_receive(Scene& scene, UniqueFunction<void()> note) {
  scene.socket.receive(scene.buffer, calls<io::Received>(std::move(note)));
}
void start_batch(Scene& scene, UniqueFunction<void()> note) {
  scene.socket.receive_batch(calls<std::span<const io::Datagram>>(std::move(note)));
}
void start_stuck(Scene& scene, UniqueFunction<void()> note) {
  scene.stuck.socket.send_to(scene.stuck.text, scene.stuck.to, calls<void>(std::move(note)));
}
void start_stuck_batch(Scene& scene, UniqueFunction<void()> note) {
  const std::vector<io::Datagram> batch(
      2, {std::as_bytes(std::span(scene.stuck.text)), scene.stuck.to});
  scene.stuck.socket.send_batch(batch, calls<std::size_t>(std::move(note)));
}

const Row kRows[] = {
    {"receive", start_receive, peer_sends},
    {"receive closed", start_receive, closes},
    {"receive at once",
     [](Scene& s, UniqueFunction<void()> n) {
       s.socket.close();
       start_receive(s, std::move(n));
     },
     nothing},
    {"receive_batch", start_batch, peer_sends},
    {"receive_batch closed", start_batch, closes},
    {"on_message",
     [](Scene& s, UniqueFunction<void()> n) {
       s.socket.on_message([n = std::move(n)](Bytes, const Address&) mutable { n(); });
     },
     peer_sends},
    {"on_error",
     [](Scene& s, UniqueFunction<void()> n) {
       s.other.on_error([n = std::move(n)](const Error&) mutable { n(); });
     },
     [](Scene& s) {
       s.other.on_message([](Bytes, const Address&) {});
       s.other.connect(test::unused_address());
       s.other.send("x");
     }},
    {"on_close", [](Scene& s, UniqueFunction<void()> n) { s.socket.on_close(std::move(n)); },
     closes},
    {"send_to at once",
     [](Scene& s, UniqueFunction<void()> n) {
       s.socket.send_to("x", s.other.local_address(), calls<void>(std::move(n)));
     },
     nothing},
    {"send at once",
     [](Scene& s, UniqueFunction<void()> n) {
       s.socket.connect(s.other.local_address());
       s.socket.send("x", calls<void>(std::move(n)));
     },
     nothing},
    {"send_batch at once",
     [](Scene& s, UniqueFunction<void()> n) {
       s.socket.send_batch({}, calls<std::size_t>(std::move(n)));
     },
     nothing},
    {"send_to later", start_stuck, [](Scene& s) { s.stuck.make_room(); }},
    {"send_to closed", start_stuck, [](Scene& s) { s.stuck.socket.close(); }},
    {"send_batch later", start_stuck_batch, [](Scene& s) { s.stuck.make_room(); }},
};

TEST_SUITE_BEGIN("io/udp_context");

TEST_CASE("every callback of a socket sees the store of the call that took it, once") {
  const AsyncLocal<std::string> who;

  for (const Row& row : kRows) {
    CAPTURE(row.api);
    Trace trace;
    test::run([&] {
      auto scene = who.run("scene", [] { return std::make_unique<Scene>(); });
      who.run("call", [&] { row.start(*scene, [&] { trace.push_back(seen(who)); }); });
      CHECK(trace.empty());
      who.run("cause", [&] { row.cause(*scene); });
      wait_all_parked();
    });
    CHECK(trace == Trace{"call"});
  }
}

TEST_CASE("a fiber keeps its own store across every call of a socket that waits") {
  const AsyncLocal<std::string> who;
  Trace trace;
  const auto step = [&](const char* call) { trace.push_back(call + (" " + seen(who))); };

  test::run([&] {
    auto scene = who.run("scene", [] { return std::make_unique<Scene>(); });
    auto fiber = who.run("fiber", [&] {
      return spawn([&] {
        scene->socket.receive(scene->buffer);
        step("receive");
        scene->socket.receive_batch();
        step("receive_batch");
        scene->stuck.socket.send_to(scene->stuck.text, scene->stuck.to);
        step("send_to");
        scene->socket.close();
        scene->socket.wait_closed();
        step("wait_closed");
      });
    });
    wait_all_parked();
    who.run("peer", [&] { peer_sends(*scene); });
    wait_all_parked();
    who.run("peer", [&] { peer_sends(*scene); });
    who.run("room", [&] { scene->stuck.make_room(); });
    fiber.join();
  });

  CHECK(trace ==
        Trace{"receive fiber", "receive_batch fiber", "send_to fiber", "wait_closed fiber"});
}

TEST_CASE("what a message handler enters is gone when it returns") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    Scene scene;
    who.run("set", [&] {
      scene.socket.on_message([&](Bytes, const Address&) {
        trace.push_back(seen(who));
        who.enter_with("entered");
        trace.push_back(seen(who));
      });
    });
    peer_sends(scene);
    peer_sends(scene);
    wait_all_parked();
    scene.socket.close();
  });

  CHECK(trace == Trace{"set", "entered", "set", "entered"});
}

TEST_CASE("a socket holds no store once it is closed") {
  const AsyncLocal<std::shared_ptr<int>> who;
  const auto store = std::make_shared<int>(0);

  test::run([&] {
    auto socket = udp_socket();
    who.run(store, [&] {
      socket.on_message([](Bytes, const Address&) {});
      socket.on_error([](const Error&) {});
      socket.on_close([] {});
    });
    CHECK(store.use_count() > 1);
    socket.close();
    socket.wait_closed();
    wait_all_parked();
    CHECK(store.use_count() == 1);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
