// The UDP echo servers of weft, for tests/bench/load --udp: io_udp_bench fiber|callback|batch.
//
// fiber: a fiber receives and answers. callback: a message handler does. batch: a fiber
// receives what one system call brings, and answers it. Each prints its port, then serves
// until it is killed.
#include <array>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>

#include <weft/io/udp.h>
#include <weft/runtime/run.h>

namespace {

using weft::io::UdpSocket;

void serve_on_fiber(UdpSocket& socket) {
  std::array<std::byte, 1024> bytes;
  for (;;) {
    const auto [count, peer, is_truncated] = socket.receive(bytes);
    socket.send_to(std::span(bytes).first(count), peer);
  }
}

void serve_in_callbacks(UdpSocket& socket) {
  socket.on_message([&socket](std::span<const std::byte> bytes, const weft::io::Address& peer) {
    socket.send_to(bytes, peer, nullptr);
  });
  socket.wait_closed();
}

void serve_in_batches(UdpSocket& socket) {
  for (;;) socket.send_batch(socket.receive_batch());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view style = argc == 2 ? argv[1] : "";
  if (style != "fiber" && style != "callback" && style != "batch") {
    std::fprintf(stderr, "usage: io_udp_bench fiber|callback|batch\n");
    return 2;
  }
  return weft::run([style] {
    auto socket = UdpSocket::bind("127.0.0.1", 0, {.batch_max = style == "batch" ? 20U : 1U});
    std::printf("%d\n", socket.local_address().port());
    std::fflush(stdout);
    if (style == "callback") return serve_in_callbacks(socket);
    style == "batch" ? serve_in_batches(socket) : serve_on_fiber(socket);
  });
}
