// Prints what is added to a file, as tail -f does: ./dev run follow --demo
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <weft/io/io.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

int usage(bool asked) {
  std::fputs("usage: follow FILE | --demo\nPrints what is added to FILE, until Ctrl-C.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

// Prints from `from` on, and returns the new end. A file that became shorter begins anew.
std::uintmax_t print_more(const std::string& path, std::uintmax_t from) {
  const std::uintmax_t size = std::filesystem::file_size(path);
  if (size < from) from = 0;
  std::ifstream file(path);
  file.seekg(static_cast<std::streamoff>(from));
  std::string more(size - from, '\0');
  file.read(more.data(), static_cast<std::streamsize>(more.size()));
  std::fwrite(more.data(), 1, more.size(), stdout);
  std::fflush(stdout);
  return size;
}

// Several writes between two prints are one change: nothing is printed twice, or missed.
void follow(const std::string& path) {
  auto watch = io::FsEvent::watch(path);
  std::uintmax_t at = print_more(path, 0);
  for (;;) {
    watch.next();
    at = print_more(path, at);
  }
}

// Follows until one of the signals comes.
void follow_until_interrupted(const std::string& path) {
  task_group([&](TaskGroup& group) {
    group.spawn([&] { follow(path); });
    const int signal = io::wait_signal({SIGINT, SIGTERM});
    std::printf("%s: stopped\n", io::signal_name(signal).c_str());
    group.cancel();
  });
}

// Writes a log, and then sends the signal that Ctrl-C would.
void demo() {
  const auto unique = std::chrono::steady_clock::now().time_since_epoch().count();
  const std::string path =
      std::filesystem::temp_directory_path() / ("weft-follow-" + std::to_string(unique));
  std::ofstream(path) << "one\n";
  spawn([&path] {
    for (const char* line : {"two\n", "three\n"}) {
      sleep_for(20ms);
      std::ofstream(path, std::ios::app) << line;
    }
    sleep_for(20ms);
    std::raise(SIGINT);
  });
  follow_until_interrupted(path);
  std::filesystem::remove(path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argument.empty() || argument == "--help") return usage(argument == "--help");
  return run([&] { argument == "--demo" ? demo() : follow_until_interrupted(argv[1]); });
}
