// Two programs, the output of one the input of the other: ./dev run pipeline --demo
#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <weft/io/io.h>

using namespace weft;

namespace {

int usage(bool asked) {
  std::fputs("usage: pipeline [--demo]\nCounts the files here, as ls | wc -l does.\n",
             asked ? stdout : stderr);
  return asked ? 0 : 2;
}

std::string read_to_end(io::PipeStream& from) {
  std::string text;
  std::array<char, 256> part;
  while (std::size_t count = from.read(std::as_writable_bytes(std::span(part)))) {
    text.append(part.data(), count);
  }
  return text;
}

// As a shell does it: the programs share a pipe, and nothing goes through here but the count.
void count_lines(io::ProcessOptions list) {
  list.output = io::Stdio::pipe();
  auto lister = io::Process::spawn(list);
  auto counter = io::Process::spawn({.file = "wc",
                                     .args = {"-l"},
                                     .input = io::Stdio::stream(lister.output()),
                                     .output = io::Stdio::pipe()});
  lister.output().close();  // the counter has its own; while one is open here it sees no end
  std::printf("%s", read_to_end(counter.output()).c_str());
  std::printf("%s: %s\n", list.file.c_str(), lister.wait().to_string().c_str());
  std::printf("wc: %s\n", counter.wait().to_string().c_str());
}

int main_fiber(bool is_demo) {
  if (!is_demo) return count_lines({.file = "ls"}), 0;
  count_lines({.file = "printf", .args = {"three\nlines\nhere\n"}});

  const auto sorted = io::run_process({.file = "sort"}, "b\nc\na\n");
  std::printf("%s", sorted.output.c_str());

  const auto failed = io::run_process({.file = "sh", .args = {"-c", "echo sorry >&2; exit 3"}});
  std::printf("sh: %s, %s", failed.status.to_string().c_str(), failed.errors.c_str());

  try {
    io::run_process({.file = "no-such-program"});
  } catch (const std::system_error& error) {
    std::printf("%s\n", error.what());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argc > 2 || (argc == 2 && argument != "--demo")) return usage(argument == "--help");
  return run([&] { return main_fiber(argument == "--demo"); });
}
