// Sends that the kernel has no room for.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Datagram;
using test::HookRecorder;
using test::receive_text;
using test::StuckSender;
using test::Trace;
using test::wait_all_parked;
using namespace std::chrono_literals;

Callback<void> note(Trace& trace, std::string name) {
  return [&trace, name = std::move(name)](const Result<void>& result) {
    trace.push_back(name + (result ? " done" : ": " + result.error().message()));
  };
}

// Returns in the check phase of the loop's next turn.
void yield_turn() {
  await<int>(
      [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
}

TEST_SUITE_BEGIN("io/udp_queue");

TEST_CASE("a send waits until the kernel has room, and those behind it wait with it") {
  Trace trace;

  test::run([&] {
    StuckSender sender;
    sender.socket.send_to(sender.text, sender.to, note(trace, "long"));
    auto fiber = spawn([&] {
      sender.socket.send_to("short", sender.to);
      trace.push_back("fiber sent");
    });
    yield();
    yield();
    trace.push_back("waited");
    CHECK(sender.socket.send_queue_count() == 2);
    CHECK(sender.socket.send_queue_size() == sender.text.size() + 5);
    CHECK(sender.socket.write_queue_bytes() == sender.text.size() + 5);

    sender.make_room();
    fiber.join();
    CHECK(receive_text(sender.receiver) == sender.text);
    CHECK(receive_text(sender.receiver) == "short");
    CHECK(sender.socket.send_queue_count() == 0);
    CHECK(sender.socket.send_queue_size() == 0);
  });

  CHECK(trace == Trace{"waited", "long done", "fiber sent"});
}

TEST_CASE("what waits is a copy: the sender's own bytes may change") {
  test::run([] {
    StuckSender sender;
    const std::string sent = sender.text;
    sender.socket.send_to(sender.text, sender.to, {});
    std::fill(sender.text.begin(), sender.text.end(), '-');
    sender.make_room();

    CHECK(receive_text(sender.receiver) == sent);
  });
}

TEST_CASE("closing a socket ends the sends that wait with operation_canceled") {
  Trace trace;

  test::run([&] {
    StuckSender sender;
    sender.socket.send_to(sender.text, sender.to, note(trace, "first"));
    sender.socket.send_to("x", sender.to, note(trace, "second"));
    sender.socket.send_batch(std::vector(2, Datagram{{}, sender.to}),
                             [&](const Result<std::size_t>& result) {
                               trace.push_back("batch: " + result.error().message());
                             });
    auto fiber = spawn([&] { sender.socket.send_to("x", sender.to); });
    yield();
    sender.socket.on_close([&] { trace.push_back("closed"); });
    sender.socket.close();
    CHECK(trace == Trace{});
    CHECK_THROWS_AS(fiber.join(), std::system_error);
    sender.socket.wait_closed();
  });

  const std::string cancelled = std::make_error_code(std::errc::operation_canceled).message();
  REQUIRE(trace.size() == 4);
  CHECK(trace[0].starts_with("first: "));
  CHECK(trace[1].starts_with("second: "));
  CHECK(trace[2].starts_with("batch: "));
  CHECK(trace[3] == "closed");
}

TEST_CASE("who gets a datagram may drop the socket while a great many sends wait") {
  constexpr int kSends = 400;
  int cancelled = 0;

  test::run([&] {
    StuckSender sender;
    for (int i = 0; i < kSends; ++i) {
      sender.socket.send_to(sender.text, sender.to, [&](const Result<void>& result) {
        cancelled += !result && result.error() == std::errc::operation_canceled ? 1 : 0;
      });
    }
    bool is_dropped = false;
    const auto drop = [&] {
      sender.socket = io::UdpSocket::bind("::1", 0);
      is_dropped = true;
    };
    std::optional<Task<void>> fiber;
    SUBCASE("in a handler") {
      sender.socket.on_message([&](auto, auto&) { drop(); });
    }
    SUBCASE("on a fiber that libuv's callback resumes") {
      fiber = spawn([&] {
        receive_text(sender.socket);
        drop();
      });
      yield();
    }
    const auto at = sender.socket.local_address();
    sender.make_room();  // libuv is told of it together with the datagram
    sender.receiver.send_to("stop", at);
    for (int turn = 0; turn < 20; ++turn) yield_turn();
    CHECK(is_dropped);
  });

  CHECK(cancelled == kSends);
}

// Waiting for the kernel keeps the virtual clock from moving.
TEST_CASE("a deadline cuts a send that waits, and the socket stays open") {
  test::run(
      [] {
        StuckSender sender;
        const bool finished =
            move_on_after(5ms, [&] { sender.socket.send_to(sender.text, sender.to); });

        CHECK_FALSE(finished);
        CHECK_FALSE(sender.socket.is_closing());
        sender.make_room();
        CHECK(receive_text(sender.receiver) == sender.text);
        sender.socket.send_to("next", sender.to);
        CHECK(receive_text(sender.receiver) == "next");
      },
      {.clock = detail::Clock::kReal});
}

TEST_CASE("a fiber that is cancelled while it sends a batch leaves at once") {
  test::run([] {
    StuckSender sender;
    const std::vector<Datagram> batch(3, {std::as_bytes(std::span(sender.text)), sender.to});
    CancelScope scope;
    auto task = spawn([&] { return scope.run([&] { sender.socket.send_batch(batch); }); });
    yield();
    scope.cancel();

    CHECK_FALSE(task.join());
    CHECK(sender.socket.send_queue_count() == 3);
    sender.make_room();
    for (int i = 0; i < 3; ++i) CHECK(receive_text(sender.receiver) == sender.text);
  });
}

TEST_CASE("of a batch the kernel takes what it has room for, and the rest later, in order") {
  Trace trace;
  std::size_t sent = 0;

  test::run([&] {
    StuckSender sender;
    std::vector<Datagram> batch;
    for (const std::string_view text : {"1", "2"}) {
      batch.push_back({std::as_bytes(std::span(text)), sender.to});
    }
    batch.push_back({std::as_bytes(std::span(sender.text)), sender.to});
    for (int i = 0; i < 30; ++i) batch.push_back(batch.front());
    auto fiber = spawn([&] { sent = sender.socket.send_batch(batch); });
    yield();
    CHECK(sender.socket.send_queue_count() == 31);
    CHECK(receive_text(sender.receiver) == "1");
    CHECK(receive_text(sender.receiver) == "2");

    sender.make_room();
    CHECK(receive_text(sender.receiver) == sender.text);
    for (int i = 0; i < 30; ++i) CHECK(receive_text(sender.receiver) == "1");
    fiber.join();
  });

  CHECK(sent == 33);
}

// The lines of the main fiber, and of the receiver that it waits for, are left out.
Trace of_sender(Trace lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.ends_with(" 1") || line.ends_with("before 2") || line.ends_with("after 2");
  });
  return lines;
}

TEST_CASE("a send the kernel takes at once is no resource; one that waits is, of the socket") {
  HookRecorder recorder({{"FIBER", "TickObject", "Microtask", "Immediate", "Timeout"}});

  test::run([&] {
    StuckSender sender;
    recorder.take();
    sender.socket.send_to("short", sender.to);
    sender.socket.send_to("short", sender.to, [](const Result<void>&) {});
    wait_all_parked();
    CHECK(of_sender(recorder.take()) == Trace{});
    sender.socket.send_to(sender.text, sender.to,
                          [&](const Result<void>&) { recorder.note("called"); });
    recorder.note("returned");
    sender.make_room();
    for (int i = 0; i < 3; ++i) receive_text(sender.receiver);
    wait_all_parked();
    CHECK(of_sender(recorder.take()) ==
          Trace{"init UDPSENDWRAP 4 3", "returned", "before 4", "called", "after 4", "destroy 4"});
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
