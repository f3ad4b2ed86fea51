// A chat over a Unix socket, and everybody in it: ./dev run unix_chat --demo
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <list>
#include <random>
#include <string>
#include <string_view>

#include <weft/io/io.h>

using namespace weft;

namespace {

constexpr std::size_t kLineBytesMax = 1000;

AsyncLocal<std::string> name({.name = "name"});

// Who is there. Each has a queue of lines and a fiber that writes them, so that one who
// does not read holds up nobody.
class Room {
 public:
  void attend(io::PipeStream& peer) {
    io::BufferedReader reader(peer);
    const auto first = reader.read_line(kLineBytesMax);
    if (!first) return;
    name.run(*first, [&] { talk(reader, peer); });
  }

 private:
  // A member while it lives; then what was said last is written, and no more comes.
  struct Seat {
    Room& room;
    Channel<std::string>& lines;

    Seat(Room& of, Channel<std::string>& to) : room(of), lines(to) { room.seats_.push_back(this); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat() {
      room.seats_.remove(this);
      lines.close();
    }
  };

  void talk(io::BufferedReader<io::PipeStream>& reader, io::PipeStream& peer) {
    Channel<std::string> lines(100);
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        for (const std::string& line : lines) peer.write(line);
      });
      const Seat seat(*this, lines);
      say("is here");
      while (const auto line = reader.read_line(kLineBytesMax)) say("says " + *line);
    });
    say("has left");
  }

  // The name is that of whoever's fiber this is.
  void say(const std::string& what) {
    for (Seat* seat : seats_) seat->lines.try_send(*name.get() + " " + what + "\n");
  }

  std::list<Seat*> seats_;
};

// Lines from standard input go to the room, the room's to standard output.
void join_room(const std::string& path) {
  auto room = io::PipeStream::connect(path);
  auto in = io::standard_input();
  auto out = io::standard_output();
  race([&] { return io::copy(in, room); }, [&] { return io::copy(room, out); });
}

std::string hear(io::BufferedReader<io::PipeStream>& reader) {
  return reader.read_line(kLineBytesMax).value_or("nothing");
}

void demo(const std::string& path, io::Server& server) {
  auto ann = io::PipeStream::connect(path);
  io::BufferedReader ann_hears(ann);
  ann.write("Ann\n");
  std::printf("Ann: %s\n", hear(ann_hears).c_str());

  auto ben = io::PipeStream::connect(path);
  io::BufferedReader ben_hears(ben);
  ben.write("Ben\nhello\n");
  for (int i = 0; i < 2; ++i) std::printf("Ann: %s\n", hear(ann_hears).c_str());
  for (int i = 0; i < 2; ++i) std::printf("Ben: %s\n", hear(ben_hears).c_str());
  ben.shutdown();
  std::printf("Ann: %s\n", hear(ann_hears).c_str());
  ann.shutdown();
  server.stop();
}

int main_fiber(std::string_view mode, std::string path) {
  if (mode == "--join") return join_room(path), 0;
  const bool is_demo = mode == "--demo";
  if (is_demo)
    path = std::filesystem::temp_directory_path() / std::to_string(std::random_device()());
  Room room;
  io::Server server;
  auto listener = io::PipeListener::bind(path);
  if (is_demo) spawn([&] { demo(path, server); });
  server.serve(std::move(listener), [&](io::PipeStream& peer) { room.attend(peer); });
  std::printf("the socket's file is %s\n", std::filesystem::exists(path) ? "left" : "gone");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const bool is_known = (mode == "--demo" && argc == 2) || (mode == "--join" && argc == 3) ||
                        (argc == 2 && !mode.starts_with("--"));
  if (!is_known) {
    std::fputs("usage: unix_chat PATH | --join PATH | --demo\nServes a chat on a Unix socket.\n",
               mode == "--help" ? stdout : stderr);
    return mode == "--help" ? 0 : 2;
  }
  return run([&] { return main_fiber(mode, argv[argc - 1]); }, {.stop_on_interrupt = true});
}
