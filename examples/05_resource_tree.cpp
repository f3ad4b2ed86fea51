// A hook that keeps the tree of the resources of a program: ./dev run resource_tree
#include <array>
#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <weft/io/io.h>

using namespace weft;

namespace {

int usage(std::string_view argument) {
  const bool asked = argument == "--help";
  (asked ? std::cout : std::cerr) << "usage: resource_tree\nPrints a server's resources.\n";
  return asked ? 0 : 2;
}

struct Resource {
  std::string type;
  AsyncId trigger;  // the resource that caused it
  bool destroyed = false;
};

std::map<AsyncId, Resource> resources;

void on_init(AsyncId id, std::string_view type, AsyncId trigger, AsyncResource&) {
  resources[id] = {std::string(type), trigger};
}
void on_destroy(AsyncId id) {
  resources[id].destroyed = true;
}

void print_tree(AsyncId trigger, std::size_t indent) {
  for (const auto& [id, resource] : resources) {
    if (resource.trigger != trigger) continue;
    std::cout << std::string(indent, ' ') << resource.type << ' ' << id
              << (resource.destroyed ? " (destroyed)\n" : "\n");
    print_tree(id, indent + 2);
  }
}

void answer(io::TcpStream peer) {
  std::array<std::byte, 16> question;
  peer.read(question);
  Timeout slow = set_timeout(std::chrono::minutes(1), [] {});
  std::cout << "While a client is served:\n";
  print_tree(0, 2);
  slow.clear();
  peer.write("hello");
}

void program() {
  auto listener = io::TcpListener::bind("127.0.0.1", 0);
  Task<void> client = spawn([port = listener.port()] {
    auto stream = io::TcpStream::connect("127.0.0.1", port);
    stream.write("who is there?");
    std::array<std::byte, 16> reply;
    stream.read(reply);
  });
  spawn([peer = listener.accept()]() mutable { answer(std::move(peer)); }).join();
  client.join();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(argv[1]);

  AsyncHook hook = create_hook({.init = on_init, .destroy = on_destroy});
  hook.enable();
  const int status = run(program);
  int ended = 0;
  for (const auto& [id, resource] : resources) ended += resource.destroyed ? 1 : 0;
  std::cout << "At the end " << ended << " of " << resources.size() << " are destroyed.\n";
  return status;
}
