// Copies a file and shows how far it is, while other fibers run: ./dev run copy_with_progress
// --demo
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include <weft/io/io.h>

using namespace weft;

namespace {

struct Progress {
  std::uint64_t copied = 0;
  std::uint64_t whole = 0;
  void show() const {
    const auto percent = whole == 0 ? 100 : 100 * copied / whole;
    std::printf("%s %% of %s bytes\n", std::to_string(percent).c_str(),
                std::to_string(whole).c_str());
  }
};

int usage(bool asked) {
  std::fputs("usage: copy_with_progress FROM TO | --demo\n", asked ? stdout : stderr);
  return asked ? 0 : 2;
}

// Each read and write runs on a thread of the pool for files; this fiber waits for it.
void copy(const std::string& from, const std::string& to, Progress& progress) {
  auto source = io::File::open(from);
  auto target = io::File::open(to, {.write = true, .create = true, .truncate = true});
  progress.whole = source.stat().size;
  std::vector<std::byte> buffer(std::size_t{256} * 1024);
  while (const std::size_t count = source.read(buffer)) {
    target.write(std::span(buffer).first(count));
    progress.copied += count;
  }
  target.close();  // tells what went wrong, which dropping it would not
}

void copy_and_show(const std::string& from, const std::string& to) {
  Progress progress;
  task_group([&](TaskGroup& group) {
    group.spawn([&] {
      for (;; progress.show()) sleep_for(std::chrono::milliseconds(500));
    });
    copy(from, to, progress);
    group.cancel();
  });
  progress.show();
}

// In a directory of its own, which goes with it.
void demonstrate() {
  const std::string directory = io::mkdtemp("/tmp/weft-copy-");
  io::write_file(directory + "/from", std::string(1 << 20, 'x'));
  copy_and_show(directory + "/from", directory + "/to");
  const bool is_same = io::read_file(directory + "/from") == io::read_file(directory + "/to");
  std::puts(is_same ? "the copy is the same" : "the copy differs");
  io::remove_all(directory);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool is_demo = arguments.size() == 1 && arguments[0] == "--demo";
  if (!is_demo && arguments.size() != 2)
    return usage(arguments == std::vector<std::string>{"--help"});
  try {
    run([&] { is_demo ? demonstrate() : copy_and_show(arguments[0], arguments[1]); });
  } catch (const std::exception&) {
    return 1;  // run() has printed it
  }
}
