#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using io::UdpSocket;
using test::for_each_fault;
using test::Operations;
using test::require_same;

TEST_SUITE_BEGIN("faults/udp");

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE("a datagram arrives, or its sender is told why not") {
  for_each_fault("a datagram", [](Operations&) {
    auto receiver = UdpSocket::bind("127.0.0.1", 0);
    auto sender = UdpSocket::bind("127.0.0.1", 0);
    sender.set_ttl(5);
    sender.send_to("hello", receiver.local_address());
    std::array<std::byte, 16> bytes;
    const io::Received got = receiver.receive(bytes);
    require_same(text_of(std::span(bytes).first(got.count)), "hello");
  });
}

TEST_CASE("a handler of datagrams hears of one, or of what failed") {
  for_each_fault("a datagram for a handler", [](Operations& operations) {
    auto receiver = UdpSocket::bind("127.0.0.1", 0);
    auto sender = UdpSocket::unbound(io::UdpFamily::kIpv4);
    receiver.on_error([&](const Error& error) {
      operations.fail(std::make_exception_ptr(std::system_error(error.code, error.doing)));
    });
    receiver.on_message([&](std::span<const std::byte> bytes, const io::Address&) {
      operations.attempt([&] { require_same(text_of(bytes), "hello"); });
      operations.finish();
    });
    operations.start<void>(
        "send",
        [&](Callback<void> done) {
          sender.send_to("hello", receiver.local_address(), std::move(done));
        },
        [] {});
    operations.wait();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
