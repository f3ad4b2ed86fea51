// An echo server of datagrams whose log finds the request by itself: ./dev run udp_echo --demo
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "echo_demo.h"
#include <weft/io/io.h>

using namespace weft;

namespace {

AsyncLocal<int> request({.name = "request"});
EchoLog output;

void log(std::string_view text) {
  output.print(request.value(), text);
}

void echo(io::UdpSocket& socket, std::span<const std::byte> bytes, const io::Address& peer) {
  log(text_of(bytes));
  socket.send_to(bytes, peer);
}

// One fiber for all peers: a datagram is a request, and there is no connection to keep.
[[noreturn]] void serve(io::UdpSocket& socket) {
  std::array<std::byte, 2048> buffer;
  for (int id = 1;; ++id) {
    const auto [count, peer, is_truncated] = socket.receive(buffer);
    const auto bytes = std::span(buffer).first(count);
    request.run(id, [&, &from = peer] { echo(socket, bytes, from); });
  }
}

// Datagrams may be lost, so the answer has a deadline.
void ask(io::UdpSocket& client, const std::string& text) {
  std::array<std::byte, 64> buffer;
  client.send(text);
  const auto answer = with_timeout(std::chrono::seconds(5), [&] { return client.receive(buffer); });
  if (text_of(std::span(buffer).first(answer.count)) != text) throw std::runtime_error("no echo");
}

void converse(const io::Address& server, int clients) {
  for (int i = 1; i <= clients; ++i) {
    auto client = io::UdpSocket::unbound(io::UdpFamily::kIpv4);
    client.connect(server);
    ask(client, "client " + std::to_string(i) + ": hello");
  }
}

int main_fiber(const EchoArguments& arguments) {
  auto socket = io::UdpSocket::bind("127.0.0.1", arguments.port);
  if (!arguments.demo) {
    std::printf("Echo on port %d; stop with Ctrl-C\n", arguments.port);
    serve(socket);
  }
  const io::Address address = socket.local_address();
  Task<void> server = spawn([socket = std::move(socket)]() mutable { serve(socket); });
  converse(address, 3);
  server.cancel();
  return output.verdict();
}

}  // namespace

int main(int argc, char** argv) {
  const EchoArguments arguments(argc, argv);
  try {
    return run([&arguments] { return main_fiber(arguments); }, {.stop_on_interrupt = true});
  } catch (const std::exception&) {
    return 1;  // run() has printed it
  }
}
