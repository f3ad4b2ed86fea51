#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Address;
using io::UdpSocket;
using test::HookRecorder;
using test::receive_text;
using test::StuckSender;
using test::Trace;
using test::udp_socket;
using test::wait_all_parked;

// What Node's graph tests leave out as well, and fibers.
const HookRecorder::Options kHidden{{"FIBER", "TickObject", "Microtask", "Immediate", "Timeout"}};

// The main fiber, id 1, has lines even while its type is hidden; what it triggers shows 0.
Trace without_main(const Trace& trace) {
  Trace kept;
  std::copy_if(trace.begin(), trace.end(), std::back_inserter(kept), [](const std::string& line) {
    return line != "before 1" && line != "after 1" && line != "resolve 1" && line != "destroy 1";
  });
  return kept;
}

TEST_SUITE_BEGIN("io/udp_hooks");

TEST_CASE("a socket is a resource that is entered once for each datagram") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto socket = udp_socket();
    socket.on_message([&](std::span<const std::byte> bytes, const Address&) {
      recorder.note("message " + test::text_of(bytes));
      if (bytes.empty()) socket.close();
    });
    auto sender = UdpSocket::unbound(io::UdpFamily::kIpv4);
    for (const char* text : {"1", "2", ""}) sender.send_to(text, socket.local_address());
    wait_all_parked();
  });

  CHECK(without_main(recorder.trace()) == Trace{"init UDPWRAP 2 0", "init UDPWRAP 3 0", "before 2",
                                                "message 1", "after 2", "before 2", "message 2",
                                                "after 2", "before 2", "message ", "after 2",
                                                "destroy 2", "destroy 3"});
}

TEST_CASE("a socket that is closed before its first use has one init and one destroy") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    udp_socket().close();
    wait_all_parked();
  });

  CHECK(without_main(recorder.trace()) == Trace{"init UDPWRAP 2 0", "destroy 2"});
}

TEST_CASE("a fiber that receives is resumed as the socket") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto socket = udp_socket();
    auto sender = udp_socket();
    sender.send_to("1", socket.local_address());
    receive_text(socket);
    CHECK(resumed_by() == socket.async_id());
    recorder.note("received");
  });

  CHECK(without_main(recorder.trace()) == Trace{"init UDPWRAP 2 0", "init UDPWRAP 3 0", "before 2",
                                                "after 2", "received", "destroy 2", "destroy 3"});
}

TEST_CASE("a batch that nobody splits is one call, however many datagrams it brings") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto socket = udp_socket({.batch_max = 4});
    auto sender = udp_socket();
    for (int i = 0; i < 3; ++i) sender.send_to("x", socket.local_address());
    CHECK(socket.receive_batch().size() == 3);
  });

  CHECK(without_main(recorder.trace()) == Trace{"init UDPWRAP 2 0", "init UDPWRAP 3 0", "before 2",
                                                "after 2", "destroy 2", "destroy 3"});
}

TEST_CASE("a failed bind leaves no resource behind") {
  HookRecorder recorder(kHidden);

  test::run([&] {
    auto socket = udp_socket();
    CHECK_THROWS_AS(UdpSocket::bind("127.0.0.1", socket.local_address().port()), std::system_error);
    CHECK_THROWS_AS(udp_socket({.batch_max = 100}), UsageError);
    wait_all_parked();
    recorder.note("parked");
  });

  CHECK(without_main(recorder.trace()) ==
        Trace{"init UDPWRAP 2 0", "init UDPWRAP 3 0", "destroy 3", "parked", "destroy 2"});
}

TEST_CASE("every resource of a run that is stopped midway has one init and one destroy") {
  std::map<AsyncId, int> inits;
  std::map<AsyncId, int> destroys;
  auto hook = create_hook(
      {.init = [&](AsyncId id, std::string_view, AsyncId, AsyncResource&) { ++inits[id]; },
       .destroy = [&](AsyncId id) { ++destroys[id]; }});
  hook.enable();
  std::array<std::byte, 1> buffer{};

  test::run([&] {
    StuckSender sender;
    auto socket = udp_socket();
    sender.socket.send_to(sender.text, sender.to, [](const Result<void>&) {});
    sender.socket.send_to("x", sender.to, {});
    sender.receiver.on_message([](auto, const Address&) {});
    socket.receive(buffer, [](const Result<io::Received>&) {});
    Loop::current().stop();
    receive_text(sender.socket);
  });

  CHECK(inits.size() >= 6);
  CHECK(inits == destroys);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
