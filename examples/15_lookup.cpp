// Asks for the addresses of a name, and for the name of an address: ./dev run lookup
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>

#include <weft/io/io.h>

using namespace weft;

namespace {

int usage(bool asked) {
  std::fputs("usage: lookup\nLooks names and addresses up, as far as /etc/hosts goes.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

// A fiber waits for each answer; files and other fibers go on meanwhile.
void ask_as_fiber() {
  for (const io::Address& address : io::lookup_all("localhost", {.port = 80})) {
    if (!address.is_ipv6()) std::printf("localhost is %s\n", address.to_string().c_str());
  }
  const io::ServiceName name = io::lookup_service(io::Address::parse("127.0.0.1", 80));
  std::printf("127.0.0.1 has a name: %s\n", name.host.empty() ? "no" : "yes");
  std::printf("an IP address is its own answer: %s\n", io::lookup("::1").ip().c_str());
  try {
    io::lookup("no.such.host.invalid");
  } catch (const std::system_error&) {
    // Its text says why: "lookup no.such.host.invalid: unknown node or service (EAI_NONAME)".
    std::puts("no.such.host.invalid is an error");
  }
}

// With a deadline: the fiber goes on when it has passed, however long the name server takes.
void ask_in_time() {
  const bool in_time = move_on_after(std::chrono::seconds(5), [] { io::lookup("localhost"); });
  std::puts(in_time ? "found in time" : "a slow name server");
}

void ask_with_callback() {
  io::lookup("localhost", {.family = io::LookupFamily::kIpv4}, [](Result<io::Address> found) {
    std::printf("the callback: %s\n", found ? found->ip().c_str() : found.message().c_str());
  });
  std::puts("the call has returned");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(std::string(argv[1]) == "--help");
  return run([] {
    ask_as_fiber();
    ask_in_time();
    ask_with_callback();
  });
}
