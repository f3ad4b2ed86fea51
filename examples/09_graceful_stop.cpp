// A server with deadlines that ends work before it stops: ./dev run graceful_stop --demo
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <weft/io/io.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

int usage(bool asked) {
  std::fputs("usage: graceful_stop [--demo]\nServes on port 7000 until a client says stop.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

std::string read_text(io::TcpStream& peer) {
  std::array<char, 64> buffer;
  return {buffer.data(), peer.read(std::as_writable_bytes(std::span(buffer)))};
}

void answer(io::Server& server, io::TcpStream& peer) {
  const std::string request = with_timeout(100ms, [&] { return read_text(peer); });
  if (request == "fail") throw std::runtime_error("this request fails");
  if (request == "stop") server.stop();
  if (request == "work") sleep_for(200ms);
  if (request == "hang") sleep_for(1h);
  peer.write("done");
}

// Of one connection; the server and its other connections go on.
void on_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const TimedOut&) {
    std::puts("server: a client sent no request in time");
  } catch (const std::exception& caught) {
    std::printf("server: %s\n", caught.what());
  }
}

void ask(std::uint16_t port, const char* request) {
  auto peer = io::TcpStream::connect("127.0.0.1", port);
  if (std::string_view(request) != "silence") peer.write(request);
  const std::string reply = read_text(peer);
  std::printf("client: %s: %s\n", request, reply.empty() ? "no reply" : reply.c_str());
}

// Stops the server while two requests run, one of which is not done within the grace.
void demo(std::uint16_t port) {
  for (const char* request : {"silence", "fail"}) ask(port, request);
  const auto stop = [&] { sleep_for(50ms), ask(port, "stop"); };
  all([&] { ask(port, "work"); }, [&] { ask(port, "hang"); }, stop);
}

int main_fiber(bool is_demo) {
  io::Server server({.connections_max = 100, .grace = 400ms, .on_error = on_error});
  auto listener = io::TcpListener::bind("127.0.0.1", is_demo ? 0 : 7000);
  if (is_demo) spawn([port = listener.port()] { demo(port); });
  server.serve(std::move(listener), [&](io::TcpStream& peer) { answer(server, peer); });
  const auto ended = server.statistics();
  std::printf("%d finished, %d failed, %d cancelled\n", int(ended.finished), int(ended.failed),
              int(ended.cancelled));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argc > 2 || (argc == 2 && argument != "--demo")) return usage(argument == "--help");
  return run([&] { return main_fiber(argument == "--demo"); });
}
