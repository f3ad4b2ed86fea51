// The echo servers of weft, for tests/bench/load: io_echo_bench fiber|callback|local.
//
// fiber: a fiber per connection. callback: a data handler per connection. local: as
// fiber, with one AsyncLocal run per message. Each prints its port, then serves
// until it is killed.
#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <weft/ctx/async_local.h>
#include <weft/io/tcp.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace {

using weft::io::TcpListener;
using weft::io::TcpStream;

constexpr std::size_t kReadBytes = 1024;  // on the fiber's stack, within its first page

const weft::AsyncLocal<long> request;

void echo(TcpStream& peer) {
  std::array<std::byte, kReadBytes> bytes;
  while (const std::size_t size = peer.read(bytes)) peer.write(std::span(bytes).first(size));
}

void echo_in_context(TcpStream& peer) {
  std::array<std::byte, kReadBytes> bytes;
  long number = 0;
  while (const std::size_t size = peer.read(bytes)) {
    request.run(++number, [&] { peer.write(std::span(bytes).first(size)); });
  }
}

void serve_on_fibers(TcpListener& listener, void (*serve)(TcpStream&)) {
  for (;;) {
    weft::spawn([peer = listener.accept(), serve]() mutable { serve(peer); });
  }
}

// A connection is owned by its close handler, which the stream drops when it is closed.
void serve_in_callbacks(TcpListener& listener) {
  listener.on_connection([](TcpStream connection) {
    auto owner = std::make_unique<TcpStream>(std::move(connection));
    TcpStream& peer = *owner;
    peer.on_close([owner = std::move(owner)] {});
    peer.on_data([&peer](std::span<const std::byte> bytes) { peer.write(bytes, nullptr); });
  });
}

void report_port(const TcpListener& listener) {
  std::printf("%d\n", listener.port());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view style = argc == 2 ? argv[1] : "";
  if (style != "fiber" && style != "callback" && style != "local") {
    std::fprintf(stderr, "usage: io_echo_bench fiber|callback|local\n");
    return 2;
  }
  return weft::run([style] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    report_port(listener);
    if (style == "callback") {
      serve_in_callbacks(listener);
      return listener.wait_closed();
    }
    serve_on_fibers(listener, style == "local" ? echo_in_context : echo);
  });
}
