// An echo server of fibers whose log finds the request by itself: ./dev run echo --demo
#include <array>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string_view>
#include <system_error>
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

void echo(io::TcpStream peer) {
  log("connected");
  try {
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = peer.read(buffer)) {
      const auto bytes = std::span(buffer).first(count);
      log(text_of(bytes));
      peer.write(bytes);
    }
    log("end of stream");
  } catch (const std::system_error& error) {
    log(error.what());
  }
  peer.close();
  peer.wait_closed();
  log("closed");
}

// One fiber a connection: what it waits for, it alone waits for.
[[noreturn]] void serve(io::TcpListener& listener) {
  for (int id = 1;; ++id) {
    spawn([id, peer = listener.accept()]() mutable { request.run(id, echo, std::move(peer)); });
  }
}

int main_fiber(const EchoArguments& arguments) {
  auto listener = io::TcpListener::bind("127.0.0.1", arguments.port);
  const std::uint16_t port = listener.port();
  if (!arguments.demo) {
    std::printf("Echo on port %d; stop with Ctrl-C\n", port);
    serve(listener);
  }
  Task<void> server = spawn([listener = std::move(listener)]() mutable { serve(listener); });
  converse(port);
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
