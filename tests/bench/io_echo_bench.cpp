// The echo servers of weft, for tests/bench/load: io_echo_bench fiber|callback|local [unix].
//
// fiber: a fiber per connection. callback: a data handler per connection. local: as
// fiber, with one AsyncLocal run per message. Each prints its port, then serves
// until it is killed; with unix, at /tmp/weft-bench-NUMBER.sock, whose number it prints.
#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <weft/ctx/async_local.h>
#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace {

using weft::io::ListenerOf;
using weft::io::PipeListener;
using weft::io::Stream;
using weft::io::TcpListener;

constexpr std::size_t kReadBytes = 1024;  // on the fiber's stack, within its first page

const weft::AsyncLocal<long> request;

void echo(Stream& peer) {
  std::array<std::byte, kReadBytes> bytes;
  while (const std::size_t size = peer.read(bytes)) peer.write(std::span(bytes).first(size));
}

void echo_in_context(Stream& peer) {
  std::array<std::byte, kReadBytes> bytes;
  long number = 0;
  while (const std::size_t size = peer.read(bytes)) {
    request.run(++number, [&] { peer.write(std::span(bytes).first(size)); });
  }
}

template <typename S>
void serve_on_fibers(ListenerOf<S>& listener, void (*serve)(Stream&)) {
  for (;;) {
    weft::spawn([peer = listener.accept(), serve]() mutable { serve(peer); });
  }
}

// A connection is owned by its close handler, which the stream drops when it is closed.
template <typename S>
void serve_in_callbacks(ListenerOf<S>& listener) {
  listener.on_connection([](S connection) {
    auto owner = std::make_unique<S>(std::move(connection));
    S& peer = *owner;
    peer.on_close([owner = std::move(owner)] {});
    peer.on_data([&peer](std::span<const std::byte> bytes) { peer.write(bytes, nullptr); });
  });
}

void report(int number) {
  std::printf("%d\n", number);
  std::fflush(stdout);
}

template <typename S>
void serve(ListenerOf<S>& listener, std::string_view style) {
  if (style == "callback") {
    serve_in_callbacks(listener);
    return listener.wait_closed();
  }
  serve_on_fibers(listener, style == "local" ? echo_in_context : echo);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view style = argc >= 2 ? argv[1] : "";
  const bool is_unix = argc == 3 && std::string_view(argv[2]) == "unix";
  if ((style != "fiber" && style != "callback" && style != "local") || argc > (is_unix ? 3 : 2)) {
    std::fprintf(stderr, "usage: io_echo_bench fiber|callback|local [unix]\n");
    return 2;
  }
  return weft::run([style, is_unix] {
    if (is_unix) {
      auto listener = PipeListener::bind("/tmp/weft-bench-" + std::to_string(getpid()) + ".sock",
                                         {.backlog = 4096});
      report(getpid());
      return serve(listener, style);
    }
    auto listener = TcpListener::bind("127.0.0.1", 0);
    report(listener.port());
    serve(listener, style);
  });
}
