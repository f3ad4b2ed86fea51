// Connects to whichever address answers first, as RFC 8305 says: ./dev run happy_eyeballs
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <weft/io/io.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

struct Candidate {
  std::string name;  // for the reader
  std::uint16_t port;
  std::chrono::milliseconds delay;  // until it answers
};

int usage(bool asked) {
  std::fputs("usage: happy_eyeballs\nConnects to the best of several addresses.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

io::TcpStream try_connect(const Candidate& to) {
  std::printf("  trying %s\n", to.name.c_str());
  sleep_for(to.delay);  // loopback answers at once, so the network's delay is made here
  auto stream = io::TcpStream::connect("127.0.0.1", to.port);
  std::printf("  %s answers\n", to.name.c_str());
  return stream;
}

// The next address is tried when the one before has failed, or after `stagger`. any()
// takes the first that answers, cancels the others, and waits until they have ended.
io::TcpStream connect_any(std::span<const Candidate> to, std::chrono::milliseconds stagger) {
  if (to.size() == 1) return try_connect(to.front());
  Event failed;
  const auto first = [&] {
    try {
      return try_connect(to.front());
    } catch (const std::system_error&) {
      std::printf("  %s fails\n", to.front().name.c_str());
      failed.set();
      throw;
    }
  };
  const auto others = [&] {
    move_on_after(stagger, [&] { failed.wait(); });
    return connect_any(to.subspan(1), stagger);
  };
  return any(first, others);
}

void show(const char* what, std::vector<Candidate> to) {
  std::printf("%s:\n", what);
  try {
    connect_any(to, 100ms);
  } catch (const GroupError&) {
    std::puts("  no address answers");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(std::string(argv[1]) == "--help");
  return run([] {
    auto listener = io::TcpListener::bind("127.0.0.1", 0);
    const std::uint16_t up = listener.port();
    const std::uint16_t down = io::TcpListener::bind("127.0.0.1", 0).port();  // closed again
    show("the first is fast", {{"::1", up, 20ms}, {"10.0.0.1", up, 20ms}});
    show("the first is slow", {{"::1", up, 5s}, {"10.0.0.1", up, 20ms}, {"10.0.0.2", up, 20ms}});
    show("the first refuses", {{"::1", down, 10ms}, {"10.0.0.1", up, 20ms}});
    show("all refuse", {{"::1", down, 10ms}, {"10.0.0.1", down, 10ms}});
  });
}
