#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/copy.h>
#include <weft/io/stdio.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/pty.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using test::read_some;
using test::read_to_end;

// What a pipe(2) or socket pair has at its two ends; closed with it.
struct Ends {
  std::array<int, 2> fds{};

  enum Kind { kPipe, kSocket };
  explicit Ends(Kind kind = kPipe) {
    REQUIRE((kind == kPipe
                 ? ::pipe2(fds.data(), O_CLOEXEC)
                 : ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data())) == 0);
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends() {
    close_end(0);
    close_end(1);
  }
  void close_end(std::size_t which) {
    if (fds[which] >= 0) ::close(std::exchange(fds[which], -1));
  }
};

bool blocks(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

std::string read_exactly(int fd, std::size_t bytes) {
  std::string all;
  std::array<char, 4096> part;
  while (all.size() < bytes) {
    const ssize_t count = ::read(fd, part.data(), std::min(part.size(), bytes - all.size()));
    if (count <= 0) break;
    all.append(part.data(), static_cast<std::size_t>(count));
  }
  return all;
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs `body` in a child whose descriptor `standard` is `fd`.
test::ChildResult run_with(int standard, int fd, std::function<void()> body) {
  return test::run_in_child([=, body = std::move(body)] {
    REQUIRE(::dup2(fd, standard) == standard);
    test::run(body);
  });
}

TEST_SUITE_BEGIN("io/stdio");

// Standard output is a pipe that this process and its parent share.
[[noreturn]] void write_much(int pipe, const std::string& much) {
  ::dup2(pipe, STDOUT_FILENO);
  test::run([&] {
    auto out = io::standard_output();
    out.write(much);
  });
  ::_exit(0);
}

TEST_CASE("standard output to a pipe waits for its reader, and leaves the pipe blocking") {
  const std::string much(1'000'000, 'x');

  const auto child = test::run_in_child([&] {
    const Ends ends;
    if (::fork() == 0) write_much(ends.fds[1], much);
    REQUIRE(read_exactly(ends.fds[0], much.size()) == much);
    REQUIRE(blocks(ends.fds[1]));
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

TEST_CASE("standard output to a file is written behind what is there, at once") {
  const test::TempDir dir;
  dir.write("out", "");
  const std::string path = dir.path("out");
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);

  const auto child = run_with(STDOUT_FILENO, fd, [&] {
    auto out = io::standard_output();
    out.write("one ");
    REQUIRE(content(path) == "one ");
    const std::array<std::span<const std::byte>, 2> pieces{std::as_bytes(std::span("t", 1)),
                                                           std::as_bytes(std::span("wo ", 3))};
    out.write(pieces);
    bool is_written = false;
    out.write("three ", [&](Result<void> result) { is_written = result.has_value(); });
    REQUIRE(content(path) == "one two three ");
    REQUIRE_FALSE(is_written);
    yield();
    REQUIRE(is_written);
    REQUIRE(out.try_write(std::as_bytes(std::span("four", 4))) == 4);
    out.shutdown();
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
  CHECK(content(path) == "one two three four");
  ::close(fd);
}

std::string read_with_handler(io::Stream& in) {
  std::string got;
  in.on_data([&](std::span<const std::byte> bytes) {
    got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  in.on_end([&] { in.close(); });
  in.wait_closed();
  return got;
}

TEST_CASE("standard input that is a pseudoterminal's master is read to its end") {
  test::Pty pty;
  const std::string much(pty.fill(), 'x');
  pty.hang_up();

  const auto child = run_with(STDIN_FILENO, pty.master(), [&] {
    auto in = io::standard_input();
    REQUIRE(read_to_end(in) == much);
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

TEST_CASE("standard input from a file is read to its end") {
  const test::TempDir dir;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + "\n";
  dir.write("in", text);
  const int fd = ::open(dir.path("in").c_str(), O_RDONLY | O_CLOEXEC);
  std::function<std::string(io::Stream&)> read;
  SUBCASE("by a fiber") {
    read = read_to_end<io::Stream>;
  }
  SUBCASE("by a handler") {
    read = read_with_handler;
  }

  const auto child = run_with(STDIN_FILENO, fd, [&] {
    auto in = io::standard_input();
    REQUIRE(read(in) == text);
  });

  CHECK(child.errors == "");
  ::close(fd);
}

TEST_CASE("a file is read a chunk a turn, so that others have their turns") {
  const test::TempDir dir;
  dir.write("in", std::string(1'000'000, 'x'));
  const int fd = ::open(dir.path("in").c_str(), O_RDONLY | O_CLOEXEC);

  const auto child = run_with(STDIN_FILENO, fd, [] {
    auto in = io::standard_input();
    int chunks = 0;
    int seen_after_one_turn = -1;
    in.on_data([&](std::span<const std::byte>) {
      if (++chunks == 1) set_immediate([&] { seen_after_one_turn = chunks; });
    });
    in.wait_closed();
    REQUIRE(chunks > 3);
    REQUIRE(seen_after_one_turn == 1);
  });

  CHECK(child.errors == "");
  ::close(fd);
}

TEST_CASE("standard input from a pipe ends with its writer, and descriptor 0 stays open") {
  Ends ends;
  REQUIRE(::write(ends.fds[1], "text", 4) == 4);
  ends.close_end(1);

  const auto child = run_with(STDIN_FILENO, ends.fds[0], [] {
    auto in = io::standard_input();
    REQUIRE(read_to_end(in) == "text");
    in.close();
    in.wait_closed();
    REQUIRE(::fcntl(STDIN_FILENO, F_GETFD) != -1);
  });

  CHECK(child.errors == "");
}

TEST_CASE("what writes to a pipe nobody reads is told so") {
  Ends ends;
  ends.close_end(0);

  const auto child = run_with(STDOUT_FILENO, ends.fds[1], [] {
    auto out = io::standard_output();
    std::string why;
    try {
      out.write("x");
    } catch (const std::system_error& error) {
      why = error.what();
    }
    REQUIRE(why == "write standard output: broken pipe (EPIPE)");
  });

  CHECK(child.errors == "");
}

TEST_CASE("a terminal is read and written as standard stream") {
  const test::Pty pty;
  pty.type("line\n");

  const auto child = run_with(STDIN_FILENO, pty.terminal(), [&] {
    ::dup2(pty.terminal(), STDOUT_FILENO);
    auto in = io::standard_input();
    auto out = io::standard_output();
    out.write("read " + read_some(in));
    REQUIRE(blocks(STDIN_FILENO));
    REQUIRE(blocks(STDOUT_FILENO));
  });

  CHECK(child.errors == "");
  CHECK(pty.see(16) == "line\r\nread line\r\n");
  CHECK(blocks(pty.terminal()));
}

TEST_CASE("a socket does not block until the process ends") {
  Ends ends(Ends::kSocket);

  const auto child = run_with(STDOUT_FILENO, ends.fds[1], [] {
    test::exit_without_leak_check();
    auto out = io::standard_output();
    out.write("text");
    REQUIRE_FALSE(blocks(STDOUT_FILENO));
    out.close();
    out.wait_closed();
    std::exit(0);  // NOLINT(concurrency-mt-unsafe)
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
  CHECK(blocks(ends.fds[1]));
  CHECK(read_exactly(ends.fds[0], 4) == "text");
}

TEST_CASE("/dev/null takes all, and is empty") {
  const auto child = test::run_in_child([] {
    const int fd = ::open("/dev/null", O_RDWR);
    ::dup2(fd, STDIN_FILENO);
    ::dup2(fd, STDOUT_FILENO);
    test::run([] {
      auto in = io::standard_input();
      auto out = io::standard_output();
      out.write("text");
      REQUIRE(io::copy(in, out) == 0);
    });
  });

  CHECK(child.errors == "");
}

TEST_CASE("what cannot be a standard stream is refused") {
  std::string why;
  std::function<void()> prepare;
  SUBCASE("a descriptor that is not open") {
    prepare = [] { ::close(STDIN_FILENO); };
    why = "open standard input: bad file descriptor (EBADF)";
  }
  SUBCASE("a socket for datagrams") {
    prepare = [] { ::dup2(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), STDIN_FILENO); };
    why = "open standard input: operation not supported on socket (ENOTSUP)";
  }

  const auto child = test::run_in_child([&] {
    test::run([&] {
      prepare();
      io::standard_input();
    });
  });

  CHECK(child.status == 2);
  CHECK(child.says(why));
}

TEST_CASE("closing ends a pending read") {
  const test::Pty pty;

  const auto child = run_with(STDIN_FILENO, pty.terminal(), [] {
    auto in = io::standard_input();
    auto reading = spawn([&] {
      try {
        read_some(in);
      } catch (const std::system_error& error) {
        return std::string(error.what());
      }
      return std::string("none");
    });
    yield();
    in.close();
    REQUIRE(reading.join() == "read standard input: operation canceled (ECANCELED)");
  });

  CHECK(child.errors == "");
}

}  // namespace
}  // namespace weft
