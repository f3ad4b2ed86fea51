// Pty: a pseudoterminal, whose far side the test plays.
//
//   const test::Pty pty;
//   auto terminal = io::Tty::open(pty.terminal());
//   pty.type("ls\n");
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

namespace weft::test {

class Pty {
 public:
  Pty() {
    master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(master_ >= 0);
    REQUIRE(::grantpt(master_) == 0);
    REQUIRE(::unlockpt(master_) == 0);
    std::array<char, 100> path{};
    REQUIRE(::ptsname_r(master_, path.data(), path.size()) == 0);
    terminal_ = ::open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(terminal_ >= 0);
  }
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;
  ~Pty() {
    ::close(master_);
    if (terminal_ >= 0) ::close(terminal_);
  }

  // The terminal's descriptor, as a program would have it as 0, 1 and 2.
  int terminal() const noexcept { return terminal_; }

  // The far side, as a program that plays it would have it.
  int master() const noexcept { return master_; }

  // Writes to the terminal as much as there is room for, several reads of its master.
  std::size_t fill() const {
    const std::string part(1000, 'x');
    std::size_t bytes = 0;
    REQUIRE(::fcntl(terminal_, F_SETFL, O_NONBLOCK) == 0);
    for (ssize_t count; (count = ::write(terminal_, part.data(), part.size())) > 0;) {
      bytes += static_cast<std::size_t>(count);
    }
    REQUIRE(bytes > 8192);
    return bytes;
  }
  // Whoever has the terminal is gone.
  void hang_up() { ::close(std::exchange(terminal_, -1)); }

  // What the user types and sees.
  void type(const std::string& text) const {
    REQUIRE(::write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  // Waits until so much can be seen.
  std::string see(std::size_t bytes) const {
    std::string seen;
    std::array<char, 100> part;
    while (seen.size() < bytes) {
      const ssize_t count = ::read(master_, part.data(), part.size());
      if (count <= 0) break;
      seen.append(part.data(), static_cast<std::size_t>(count));
    }
    return seen;
  }
  void resize(int columns, int rows) const {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = static_cast<unsigned short>(rows);
    REQUIRE(::ioctl(master_, TIOCSWINSZ, &size) == 0);
  }
  // Whether the kernel edits lines and echoes: the normal mode.
  bool is_normal() const {
    termios settings{};
    REQUIRE(::tcgetattr(terminal_, &settings) == 0);
    return (settings.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO);
  }

 private:
  int master_ = -1;
  int terminal_ = -1;
};

}  // namespace weft::test
