// Connects to whichever address answers first, as RFC 8305 says: ./dev run happy_eyeballs
#include <array>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <weft/io/io.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

int usage(bool asked) {
  std::fputs("usage: happy_eyeballs\nConnects to the best of several addresses.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

// connect() tries the addresses of a name, or those it is given: the next one when the
// one before has failed, or has not answered for `attempt_delay`. The first to answer wins.
void show(const char* what, const std::vector<io::Address>& to) {
  std::printf("%s: ", what);
  try {
    auto stream = io::TcpStream::connect(to, {.attempt_delay = 100ms});
    const bool is_first = stream.peer_address() == to.front();
    std::printf("the %s one answers\n", is_first ? "first" : "second");
  } catch (const std::system_error& error) {
    const bool is_refused = error.code() == std::errc::connection_refused;
    std::printf("%s\n", is_refused ? "connection refused" : error.what());
  }
}

// A server whose machine is up may still be slow. Who wants the first to greet races what
// the connection is for: any() takes the first that succeeds, cancels the others, and waits
// until they have ended.
std::string greeting(const io::Address& from) {
  auto stream = io::TcpStream::connect(std::span(&from, 1));
  std::array<char, 16> text{};
  return {text.data(), stream.read(std::as_writable_bytes(std::span(text)))};
}

void greet(io::TcpListener& listener, const char* text, std::chrono::milliseconds delay) {
  auto peer = listener.accept();
  sleep_for(delay);
  peer.write(text);
}

void take_who_greets_first(io::TcpListener& slow, io::TcpListener& quick) {
  task_group([&](TaskGroup& group) {
    group.spawn([&] { greet(slow, "late", 10s); });
    group.spawn([&] { greet(quick, "hello", 10ms); });
    const auto first =
        any([&] { return greeting(slow.address()); }, [&] { return greeting(quick.address()); });
    std::printf("the first to greet says: %s\n", first.c_str());
    group.cancel("somebody has greeted");
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(std::string(argv[1]) == "--help");
  return run([] {
    auto quick = io::TcpListener::bind("127.0.0.1", 0);
    auto slow = io::TcpListener::bind("127.0.0.1", 0);
    const io::Address up = quick.address();
    const io::Address down = io::TcpListener::bind("127.0.0.1", 0).address();  // closed again
    show("both are up", {up, slow.address()});
    show("the first refuses", {down, up});
    show("both refuse", {down, down});

    // Those of show() first: what it connected to waits to be accepted.
    for (int i = 0; i < 2; ++i) quick.accept();
    take_who_greets_first(slow, quick);
  });
}
