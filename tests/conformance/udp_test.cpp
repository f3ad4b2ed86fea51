#include <cstddef>
#include <optional>
#include <span>

#include <doctest/doctest.h>

#include <weft/io/udp.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using io::UdpFamily;
using io::UdpSocket;
using test::Life;
using test::reproduce;

TEST_SUITE_BEGIN("conformance/udp");

struct Message {
  Life& life;
  std::optional<UdpSocket> receiver = {};
  std::optional<UdpSocket> sender = {};

  void receive() {
    life.cb("message");
    life.als.run("CLOSE", [this] {
      receiver->on_close([this] { life.cb("close"); });
      receiver->close();
    });
  }

  void send() {
    sender = UdpSocket::unbound(UdpFamily::kIpv4);
    sender->send_to("hi", receiver->local_address(), [this](const Result<void>&) {
      life.cb("send-cb");
      sender->close();
    });
  }

  void listen() {
    life.als.run("CREATE", [this] { receiver = UdpSocket::bind("127.0.0.1", 0); });
    life.als.run("LISTEN", [this] {
      receiver->on_message([this](std::span<const std::byte>, const io::Address&) { receive(); });
    });
    life.als.run("BIND", [this] {
      next_tick([this] {
        life.cb("listening");
        life.als.run("SEND", [this] { send(); });
      });
    });
  }
};

TEST_CASE("a message has the resources which Node's has, and the order of their lives") {
  reproduce("udp", [](Life& life) {
    Message message{life};
    life.run([&] { message.listen(); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
