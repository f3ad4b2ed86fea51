// Visits linked pages of a little server, at most two at a time: ./dev run crawler
#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <weft/io/io.h>

using namespace weft;

namespace {

const std::map<std::string, std::string> pages = {
    {"/", "/news /shop /about"}, {"/news", "/ /news/1 /news/2"}, {"/news/1", "/news"},
    {"/news/2", "/news /lost"},  {"/shop", "/ /about"},          {"/about", "/"},
};

int usage(bool asked) {
  std::fputs("usage: crawler\nVisits all pages of a server of its own.\n", asked ? stdout : stderr);
  return asked ? 0 : 2;
}

std::string read_all(io::TcpStream& peer) {
  std::string text;
  std::array<char, 256> buffer;
  while (const auto count = peer.read(std::as_writable_bytes(std::span(buffer)))) {
    text.append(buffer.data(), count);
  }
  return text;
}

// The request is a path; the answer is the page, which is a list of links.
void answer(io::TcpStream& peer) {
  const auto page = pages.find(read_all(peer));
  peer.write(page == pages.end() ? "missing" : page->second);
}

std::string fetch(std::uint16_t port, const std::string& path) {
  auto server = io::TcpStream::connect("127.0.0.1", port);
  server.write(path);
  server.shutdown();
  return read_all(server);
}

// A generation of links at a time: those of the pages before it that nobody has seen.
void crawl(std::uint16_t port) {
  std::set<std::string> seen = {"/"};
  std::vector<std::string> paths = {"/"};
  for (int depth = 0; !paths.empty(); ++depth) {
    const auto texts = map_concurrent(paths, 2, [&](auto& path) { return fetch(port, path); });
    std::vector<std::string> found;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      std::printf("%d %s: %s\n", depth, paths[i].c_str(), texts[i].c_str());
      std::istringstream links(texts[i]);
      for (std::string link; links >> link;)
        if (link[0] == '/' && seen.insert(link).second) found.push_back(link);
    }
    paths = std::move(found);
  }
}

// The server runs as long as the crawl.
void crawl_served(io::TcpListener listener) {
  task_group([&, port = listener.port()](TaskGroup& group) {
    group.spawn([&] { io::serve(std::move(listener), answer); });
    crawl(port);
    group.cancel();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(std::string(argv[1]) == "--help");
  return run([] { crawl_served(io::TcpListener::bind("127.0.0.1", 0)); });
}
