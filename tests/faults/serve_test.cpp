#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/serve.h>
#include <weft/runtime/task_group.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using io::Server;
using io::TcpListener;
using io::TcpStream;
using test::for_each_fault;
using test::Operations;
using namespace std::chrono_literals;

// The server's side may have failed meanwhile, and told so; then this one just ends.
void require_echo(TcpStream& client, const std::string& sent, const Operations& operations) {
  const std::string seen = test::read_all(client);
  if (operations.noted().empty()) test::require_same(seen, sent);
}

TEST_SUITE_BEGIN("faults/serve");

TEST_CASE("a server serves and stops in order, whatever fails in between") {
  for_each_fault("a server", [](Operations& operations) {
    // What cannot accept tries again and again: the third time it is told to stop.
    Server* serving = nullptr;
    Server server({.grace = 1s, .on_error = [&](std::exception_ptr error) {
                     operations.note(error);
                     if (operations.noted().size() == 3) serving->stop();
                   }});
    serving = &server;
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const auto port = listener.port();
    task_group([&](TaskGroup& group) {
      group.spawn([&] { server.serve(std::move(listener), test::echo<TcpStream>); });
      auto first = TcpStream::connect("127.0.0.1", port);
      auto second = TcpStream::connect("127.0.0.1", port);
      first.write("first");
      second.write("second");
      second.shutdown();
      require_echo(second, "second", operations);
      server.stop();
      first.shutdown();
      require_echo(first, "first", operations);
    });
    const auto counts = server.statistics();
    if (counts.active != 0) throw std::logic_error("a connection outlived the server");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
