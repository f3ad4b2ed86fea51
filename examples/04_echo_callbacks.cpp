// The server of 03_echo in callback style, without fibers: ./dev run echo_callbacks --demo
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "echo_demo.h"
#include <weft/io/io.h>

using namespace weft;

namespace {

AsyncLocal<int> request({.name = "request"});
EchoLog output;

void log(std::string_view text) {
  output.print(request.value(), text);
}

void echo(io::TcpStream connection) {
  log("connected");
  // Its handlers own the connection together; they are dropped once it is closed, and it with them.
  const auto peer = std::make_shared<io::TcpStream>(std::move(connection));
  peer->on_data([peer](std::span<const std::byte> bytes) {
    log(text_of(bytes));
    peer->pause();  // reads no faster than the client takes the echo
    peer->write(bytes, [peer](const Result<void>&) { peer->resume(); });
  });
  peer->on_end([peer] {
    log("end of stream");
    peer->close();
  });
  peer->on_error([peer](const Error& error) {
    log(error.message());
    peer->close();
  });
  peer->on_close([] { log("closed"); });
}

void serve(io::TcpListener& listener) {
  listener.on_connection(
      [id = 1](io::TcpStream peer) mutable { request.run(id++, echo, std::move(peer)); });
}

int main_fiber(const EchoArguments& arguments) {
  auto listener = io::TcpListener::bind("127.0.0.1", arguments.port);
  const std::uint16_t port = listener.port();
  serve(listener);
  if (!arguments.demo) {
    std::printf("Echo on port %d; stop with Ctrl-C\n", port);
    listener.wait_closed();  // dropping the listener would close it
    return 0;
  }
  converse(port);
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
