#include <array>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weft/io/stdio.h>
#include <weft/io/tty.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/pty.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::Tty;
using io::TtyMode;
using test::for_each_fault;
using test::Operations;
using test::require_same;
using test::Unwatched;

// A terminal whose user's calls do not fail.
class Terminal {
 public:
  Terminal() {
    const Unwatched user;
    pty_.emplace();
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    const Unwatched user;
    pty_.reset();
  }

  int fd() const noexcept { return pty_->terminal(); }
  void type(const std::string& text) const {
    const Unwatched user;
    pty_->type(text);
  }
  std::string see(std::size_t bytes) const {
    const Unwatched user;
    return pty_->see(bytes);
  }
  bool is_normal() const {
    const Unwatched user;
    return pty_->is_normal();
  }

 private:
  std::optional<test::Pty> pty_;
};

// While it lives a standard descriptor is a copy of `fd`, which is closed.
class Standard {
 public:
  Standard(int standard, int fd) : standard_(standard) {
    const Unwatched process;
    kept_ = ::dup(standard);
    REQUIRE(::dup2(fd, standard) == standard);
    ::close(fd);
  }
  Standard(const Standard&) = delete;
  Standard& operator=(const Standard&) = delete;
  ~Standard() {
    const Unwatched process;
    ::dup2(kept_, standard_);
    ::close(kept_);
  }

 private:
  int standard_;
  int kept_;
};

// The end to read of a pipe or socket in which there is "text" and the end.
int readable(const std::function<int(int*)>& make) {
  const Unwatched process;
  std::array<int, 2> ends{};
  REQUIRE(make(ends.data()) == 0);
  REQUIRE(::write(ends[1], "text", 4) == 4);
  ::close(ends[1]);
  return ends[0];
}

int make_pipe(int* ends) {
  return ::pipe2(ends, O_CLOEXEC);
}
int make_socket(int* ends) {
  return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

int open_file(const test::TempDir& dir, int flags) {
  const Unwatched process;
  const int fd = ::open(dir.path("file").c_str(), flags | O_CLOEXEC);
  REQUIRE(fd >= 0);
  return fd;
}

void make_empty(const test::TempDir& dir) {
  const Unwatched process;
  dir.write("file", "");
}
std::string content(const test::TempDir& dir) {
  const Unwatched process;
  std::ifstream file(dir.path("file"));
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_SUITE_BEGIN("faults/stdio");

TEST_CASE("a terminal is read, written and set, or it is told what failed") {
  for_each_fault("a terminal", [](Operations&) {
    const Terminal user;
    auto terminal = Tty::open(user.fd());
    terminal.set_mode(TtyMode::kRaw);
    user.type("keys");
    std::string seen;
    std::array<char, 16> keys{};
    while (seen.size() < 4) {
      const std::size_t count = terminal.read(std::as_writable_bytes(std::span(keys)));
      seen.append(keys.data(), count);
    }
    require_same(seen, "keys");
    terminal.write("seen\n");
    require_same(user.see(6), "seen\r\n");
    terminal.window_size();
    terminal.set_mode(TtyMode::kNormal);
    if (!user.is_normal()) throw std::logic_error("it is not set back");
  });
}

TEST_CASE("standard input is read to its end, or it is told what failed") {
  const test::TempDir dir;
  dir.write("file", "text");
  std::function<int()> open;
  SUBCASE("from a pipe") {
    open = [] { return readable(make_pipe); };
  }
  SUBCASE("from a socket") {
    open = [] { return readable(make_socket); };
  }
  SUBCASE("from a file") {
    open = [&] { return open_file(dir, O_RDONLY); };
  }
  for_each_fault("standard input", [&](Operations&) {
    const Standard input(STDIN_FILENO, open());
    auto in = io::standard_input();
    require_same(test::read_all(in), "text");
  });
}

TEST_CASE("standard output is written, or it is told what failed") {
  const test::TempDir dir;
  for_each_fault("standard output", [&](Operations&) {
    make_empty(dir);
    {
      const Standard output(STDOUT_FILENO, open_file(dir, O_WRONLY | O_APPEND));
      auto out = io::standard_output();
      out.write("some ");
      out.write("text");
    }
    require_same(content(dir), "some text");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
