#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::Address;
using io::Datagram;
using io::UdpSocket;
using test::receive_text;
using test::text_of;
using test::Trace;
using test::udp_socket;
using test::wait_all_parked;

using Datagrams = std::span<const Datagram>;

std::vector<Datagram> datagrams(std::initializer_list<std::string_view> texts, const Address& to) {
  std::vector<Datagram> made;
  for (const std::string_view text : texts) made.push_back({std::as_bytes(std::span(text)), to});
  return made;
}

Trace texts_of(Datagrams batch) {
  Trace texts;
  for (const Datagram& datagram : batch) texts.push_back(text_of(datagram.bytes));
  return texts;
}

// A socket that receives in batches, and one that has sent it some datagrams.
struct Batched {
  UdpSocket receiver = udp_socket({.batch_max = 4});
  UdpSocket sender = udp_socket();

  Batched(std::initializer_list<std::string_view> texts) {
    sender.send_batch(datagrams(texts, receiver.local_address()));
  }
};

TEST_SUITE_BEGIN("io/udp_batch");

TEST_CASE("a batch is what has arrived, up to the socket's limit, in order") {
  test::run([] {
    Batched scene{"1", "2", "", "4", "5"};

    const Datagrams first = scene.receiver.receive_batch();
    CHECK(texts_of(first) == Trace{"1", "2", "", "4"});
    for (const Datagram& datagram : first) CHECK(datagram.peer == scene.sender.local_address());
    CHECK(texts_of(scene.receiver.receive_batch()) == Trace{"5"});
  });
}

TEST_CASE("a batch waits for the first datagram, and may be sent back as it is") {
  Trace trace;

  test::run([&] {
    auto server = udp_socket({.batch_max = 20});
    auto client = udp_socket();
    spawn([&] { CHECK(server.send_batch(server.receive_batch()) == 2); });
    yield();
    client.send_to("a", server.local_address());
    client.send_to("b", server.local_address());
    for (int i = 0; i < 2; ++i) trace.push_back(receive_text(client));
  });

  CHECK(trace == Trace{"a", "b"});
}

TEST_CASE("the forms with a callback do the same") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2"};
    scene.receiver.receive_batch([&](const Result<Datagrams>& batch) {
      for (const std::string& text : texts_of(batch.value())) trace.push_back(text);
    });
    scene.sender.send_batch(datagrams({"3", "4"}, scene.sender.local_address()),
                            [&](const Result<std::size_t>& sent) {
                              trace.push_back("sent " + std::to_string(sent.value()));
                            });
    scene.sender.send_batch(datagrams({"nobody is told"}, scene.sender.local_address()), {});
    trace.push_back("returned");
    wait_all_parked();
  });

  CHECK(trace == Trace{"returned", "sent 2", "1", "2"});
}

TEST_CASE("a socket of batches also receives one at a time, and loses none") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "a long one", "3", "4", "5", "6"};
    trace.push_back(receive_text(scene.receiver));
    std::array<std::byte, 6> buffer;
    const io::Received cut = scene.receiver.receive(buffer);
    CHECK(cut.count == 6);
    CHECK(cut.is_truncated);
    wait_all_parked();
    trace.push_back(receive_text(scene.receiver));
    for (const std::string& text : texts_of(scene.receiver.receive_batch())) trace.push_back(text);
    trace.push_back("again");
    for (const std::string& text : texts_of(scene.receiver.receive_batch())) trace.push_back(text);
  });

  CHECK(trace == Trace{"1", "3", "4", "again", "5", "6"});
}

TEST_CASE("on_message of a socket of batches gets every datagram, whole batches or not") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2", "3", "4", "5"};
    scene.receiver.on_message([&](auto bytes, const Address& peer) {
      CHECK(peer == scene.sender.local_address());
      trace.push_back(text_of(bytes));
    });
    wait_all_parked();
    scene.receiver.close();
  });

  CHECK(trace == Trace{"1", "2", "3", "4", "5"});
}

TEST_CASE("a handler that pauses in the middle of a batch gets the rest when it resumes") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2", "3", "4", "5", "6"};
    scene.receiver.on_message([&](auto bytes, const Address&) {
      trace.push_back(text_of(bytes));
      if (trace.size() == 2) scene.receiver.pause();
    });
    wait_all_parked();
    trace.push_back("paused");
    scene.receiver.resume();
    trace.push_back("resumed");
    wait_all_parked();
    scene.receiver.close();
  });

  CHECK(trace == Trace{"1", "2", "paused", "resumed", "3", "4", "5", "6"});
}

TEST_CASE("a handler may pause and resume inside itself, and the order holds") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2", "3", "4", "5", "6"};
    scene.receiver.on_message([&](auto bytes, const Address&) {
      trace.push_back(text_of(bytes));
      scene.receiver.pause();
      scene.receiver.resume();
    });
    wait_all_parked();
    scene.receiver.close();
  });

  CHECK(trace == Trace{"1", "2", "3", "4", "5", "6"});
}

TEST_CASE("what a removed handler has left of a batch is received by hand") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2", "3", "4"};
    scene.receiver.on_message([&](auto bytes, const Address&) {
      trace.push_back(text_of(bytes));
      scene.receiver.on_message({});
    });
    wait_all_parked();
    trace.push_back(receive_text(scene.receiver));
    for (const std::string& text : texts_of(scene.receiver.receive_batch())) trace.push_back(text);
  });

  CHECK(trace == Trace{"1", "2", "3", "4"});
}

TEST_CASE("a socket closed in the middle of a batch delivers nothing more") {
  Trace trace;

  test::run([&] {
    Batched scene{"1", "2", "3"};
    scene.receiver.on_message([&](auto bytes, const Address&) {
      trace.push_back(text_of(bytes));
      scene.receiver.close();
    });
    scene.receiver.on_close([&] { trace.push_back("closed"); });
    scene.receiver.wait_closed();
  });

  CHECK(trace == Trace{"1", "closed"});
}

TEST_CASE("closing a socket completes its pending batch with operation_canceled") {
  std::optional<std::error_code> seen;

  test::run([&] {
    auto socket = udp_socket({.batch_max = 2});
    socket.receive_batch([&](const Result<Datagrams>& batch) { seen = batch.error(); });
    socket.close();
    CHECK_FALSE(seen.has_value());
  });

  REQUIRE(seen.has_value());
  CHECK(*seen == std::errc::operation_canceled);
}

TEST_CASE("of a batch the datagrams that can be sent are; all of them, or the first error") {
  const std::string too_long(65508, 'x');

  test::run([&] {
    auto receiver = udp_socket();
    auto sender = udp_socket();
    const Address to = receiver.local_address();

    CHECK(sender.send_batch({}) == 0);
    CHECK(sender.send_batch(datagrams({"1", too_long, "3"}, to)) == 2);
    CHECK(receive_text(receiver) == "1");
    CHECK(receive_text(receiver) == "3");
    const std::string text = "send_batch " + to.to_string() + ": message too long (EMSGSIZE)";
    CHECK_THROWS_WITH_AS(sender.send_batch(datagrams({too_long, too_long}, to)), text.c_str(),
                         std::system_error);
  });
}

TEST_CASE("a connected socket sends a batch to its peer") {
  test::run([] {
    auto peer = udp_socket();
    auto sender = udp_socket();
    sender.connect(peer.local_address());

    CHECK(sender.send_batch(datagrams({"1", "2"}, {})) == 2);
    CHECK(receive_text(peer) == "1");
    CHECK(receive_text(peer) == "2");
  });
}

TEST_CASE("batches need a socket that was made for them") {
  test::run([] {
    auto socket = udp_socket();

    CHECK_THROWS_WITH_AS(socket.receive_batch(),
                         "receive_batch: the socket takes one at a time; see UdpOptions::batch_max",
                         UsageError);
    CHECK_THROWS_AS(udp_socket({.batch_max = 0}), UsageError);
    CHECK_THROWS_AS(udp_socket({.batch_max = 21}), UsageError);
    socket.close();
    CHECK_THROWS_AS(socket.send_batch(datagrams({"x"}, {})), std::system_error);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
