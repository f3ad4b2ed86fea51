#include <array>
#include <cstddef>
#include <fcntl.h>
#include <optional>
#include <span>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weft/io/stdio.h>
#include <weft/io/tty.h>
#include <weft/tests/conformance/reproduce.h>
#include <weft/tests/support/pty.h>

namespace weft {
namespace {

using io::Tty;
using test::Life;
using test::Pty;
using test::reproduce;

// While it lives, standard input is a pipe which holds some text and ends.
class PipedInput {
 public:
  PipedInput() : saved_(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    REQUIRE(::write(ends[1], "x", 1) == 1);
    REQUIRE(::dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  PipedInput(const PipedInput&) = delete;
  PipedInput& operator=(const PipedInput&) = delete;
  ~PipedInput() {
    ::close(STDIN_FILENO);
    if (saved_ >= 0) ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;  // -1: it was closed
};

TEST_SUITE_BEGIN("conformance/stdio");

TEST_CASE("standard input from a pipe is one resource, entered for data, end and close") {
  reproduce("stdin-pipe", [](Life& life) {
    const PipedInput input;
    std::optional<io::Stream> in;
    life.run([&] {
      life.als.run("A", [&] {
        in = io::standard_input();
        in->on_data([&](std::span<const std::byte>) { life.cb("stdin-data"); });
        in->on_end([&] {
          life.cb("stdin-end");
          in->close();
        });
      });
    });
  });
}

TEST_CASE("each stream of a terminal is a resource, entered for data, end and close") {
  const Pty pty;
  pty.type("x\n\x04");  // a line and the end

  reproduce("tty", [&pty](Life& life) {
    std::optional<Tty> in;
    std::optional<Tty> out;
    life.run([&] {
      life.als.run("A", [&] {
        in = Tty::open(pty.terminal());
        in->on_data([&](std::span<const std::byte>) { life.cb("data"); });
        in->on_end([&] {
          life.cb("end");
          in->shutdown([&](const Result<void>&) { in->close(); });
        });
      });
      life.als.run("B", [&] {
        out = Tty::open(pty.terminal());
        out->write("hello", [&](const Result<void>&) {
          life.cb("written");
          out->close();
        });
      });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
