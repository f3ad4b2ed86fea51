#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/pipe.h>
#include <weft/io/signal.h>
#include <weft/io/tty.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/pty.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Tty;
using io::TtyMode;
using test::Pty;
using test::read_some;

// As in a program without handlers: doctest has its own.
void restore_defaults() {
  for (const int signal : {SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
}

TEST_SUITE_BEGIN("io/tty");

TEST_CASE("a terminal is read by the line, and shows what is written") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    auto reading = spawn([&] { return read_some(terminal); });
    yield();
    pty.type("hello\n");
    CHECK(reading.join() == "hello\n");
    CHECK(pty.see(7) == "hello\r\n");
    terminal.write("a\nb");
    CHECK(pty.see(4) == "a\r\nb");
  });
}

TEST_CASE("a raw terminal yields each key, without echo") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    terminal.set_mode(TtyMode::kRaw);
    pty.type("\x03x\r");
    CHECK(read_some(terminal) == "\x03x\r");
    terminal.write("seen\n");
    CHECK(pty.see(6) == "seen\r\n");
    terminal.set_mode(TtyMode::kIo);
    terminal.write("seen\n");
    CHECK(pty.see(5) == "seen\n");
  });
}

TEST_CASE("a terminal that is shut down is read on") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    terminal.write("last\n");
    terminal.shutdown();
    pty.type("x\n");
    CHECK(read_some(terminal) == "x\n");
    CHECK_FALSE(terminal.is_closing());
    CHECK_THROWS_AS(terminal.write("more"), UsageError);
  });
}

TEST_CASE("the settings are put back") {
  const Pty pty;
  std::function<void(std::optional<Tty>&)> put_back;
  SUBCASE("by the normal mode") {
    put_back = [](auto& terminal) { terminal->set_mode(TtyMode::kNormal); };
  }
  SUBCASE("by a close") {
    put_back = [](auto& terminal) { terminal->close(); };
  }
  SUBCASE("when the owner is dropped") {
    put_back = [](auto& terminal) { terminal.reset(); };
  }

  test::run([&] {
    std::optional<Tty> terminal = Tty::open(pty.terminal());
    terminal->set_mode(TtyMode::kRaw);
    CHECK_FALSE(pty.is_normal());
    put_back(terminal);
    CHECK(pty.is_normal());
  });
}

TEST_CASE("the settings are put back when the process ends") {
  const Pty pty;
  std::function<void()> end;
  int signal = 0;
  SUBCASE("by exit") {
    end = [] { std::exit(0); };  // NOLINT(concurrency-mt-unsafe)
  }
  SUBCASE("by a signal") {
    end = [] { ::raise(SIGTERM); };
    signal = SIGTERM;
  }
  SUBCASE("by another signal") {
    end = [] { ::raise(SIGINT); };
    signal = SIGINT;
  }
  SUBCASE("by a signal which is no longer listened for") {
    end = [] {
      io::SignalListener::listen({SIGINT}).close();
      ::raise(SIGINT);
    };
    signal = SIGINT;
  }

  const auto child = test::run_in_child([&] {
    restore_defaults();
    test::exit_without_leak_check();
    test::run([&] {
      auto terminal = Tty::open(pty.terminal());
      terminal.set_mode(TtyMode::kRaw);
      terminal.set_mode(TtyMode::kIo);
      if (pty.is_normal()) ::_exit(3);
      end();
    });
  });

  CHECK(child.signal == signal);
  CHECK(pty.is_normal());
}

// The shell's part in another session: starts the job, and tells what becomes of it.
void run_as_shell(const Pty& pty, const std::function<void()>& job) {
  ::setsid();
  ::signal(SIGTTOU, SIG_IGN);
  if (::ioctl(pty.terminal(), TIOCSCTTY, 0) != 0) ::_exit(2);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::tcsetpgrp(pty.terminal(), ::getpid());
    job();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) return;
  ::kill(child, SIGKILL);
  ::_exit(WSTOPSIG(status));
}

TEST_CASE("a process in the background puts nothing back, and is not stopped") {
  const Pty pty;
  std::function<void(Tty&)> end;
  SUBCASE("by exit") {
    end = [](Tty&) { std::exit(0); };  // NOLINT(concurrency-mt-unsafe)
  }
  SUBCASE("by a signal") {
    end = [](Tty&) { ::raise(SIGTERM); };
  }
  SUBCASE("by a close") {
    end = [](Tty& terminal) { terminal.close(); };
  }
  SUBCASE("by the normal mode") {
    end = [](Tty& terminal) { terminal.set_mode(TtyMode::kNormal); };
  }

  const auto child = test::run_in_child([&] {
    restore_defaults();
    test::exit_without_leak_check();
    run_as_shell(pty, [&] {
      test::run([&] {
        auto terminal = Tty::open(pty.terminal());
        terminal.set_mode(TtyMode::kRaw);
        ::tcsetpgrp(pty.terminal(), ::getppid());
        ::signal(SIGTTOU, SIG_DFL);
        end(terminal);
      });
    });
  });

  CHECK(child.status == 0);
  CHECK_FALSE(pty.is_normal());
}

// As another program leaves the terminal.
void leave_terminal(const Pty& pty, bool raw) {
  termios settings{};
  REQUIRE(::tcgetattr(pty.terminal(), &settings) == 0);
  if (raw) {
    ::cfmakeraw(&settings);
  } else {
    settings.c_lflag |= ICANON | ECHO | ISIG;
  }
  REQUIRE(::tcsetattr(pty.terminal(), TCSANOW, &settings) == 0);
}

TEST_CASE("a mode that is asked for again is set again, whatever others have set meanwhile") {
  const Pty pty;
  TtyMode mode = TtyMode::kNormal;
  SUBCASE("raw") {
    mode = TtyMode::kRaw;
  }
  SUBCASE("every byte as it is") {
    mode = TtyMode::kIo;
  }

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    terminal.set_mode(mode);
    leave_terminal(pty, false);
    terminal.set_mode(mode);
    CHECK_FALSE(pty.is_normal());
    terminal.close();
    CHECK(pty.is_normal());
  });
}

TEST_CASE("the normal mode is set where others have left a raw one") {
  const Pty pty;
  bool was_raw = false;
  SUBCASE("alone") {}
  SUBCASE("behind our own") {
    was_raw = true;
  }

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    if (was_raw) terminal.set_mode(TtyMode::kRaw);
    terminal.set_mode(TtyMode::kNormal);
    leave_terminal(pty, true);
    terminal.set_mode(TtyMode::kNormal);
    CHECK(pty.is_normal());
    terminal.close();
    CHECK(pty.is_normal());
  });
}

TEST_CASE("all that was written to a terminal is read from its master, then the end") {
  Pty pty;
  const std::string much(pty.fill(), 'x');
  pty.hang_up();

  test::run([&] {
    auto master = Tty::open(pty.master());
    SUBCASE("by reads") {
      CHECK(test::read_to_end(master) == much);
    }
    SUBCASE("by a handler") {
      std::string got;
      master.on_data([&](std::span<const std::byte> bytes) {
        got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      });
      master.on_error([](const Error& error) { FAIL(error.message()); });
      master.on_end([&] { master.close(); });
      master.wait_closed();
      CHECK(got == much);
    }
  });
}

TEST_CASE("an end that is typed is one, also if more is typed behind it") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    pty.type("one\n\x04two\n");
    CHECK(test::read_to_end(terminal) == "one\n");
  });
}

TEST_CASE("a signal that is handled is left to its handler") {
  const Pty pty;

  const auto child = test::run_in_child([&] {
    ::signal(SIGTERM, [](int) { ::_exit(7); });
    test::run([&] {
      auto terminal = Tty::open(pty.terminal());
      terminal.set_mode(TtyMode::kRaw);
      ::raise(SIGTERM);
    });
  });

  CHECK(child.status == 7);
}

TEST_CASE("a child of the process puts nothing back") {
  const Pty pty;

  const auto child = test::run_in_child([&] {
    restore_defaults();
    test::run([&] {
      auto terminal = Tty::open(pty.terminal());
      terminal.set_mode(TtyMode::kRaw);
      REQUIRE(test::run_in_child([] { ::raise(SIGTERM); }).signal == SIGTERM);
      REQUIRE_FALSE(pty.is_normal());
    });
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

TEST_CASE("the size is that of the window") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    pty.resize(132, 43);
    const auto size = terminal.window_size();
    CHECK(size.columns == 132);
    CHECK(size.rows == 43);
  });
}

TEST_CASE("the descriptor stays the caller's, and blocks as it did") {
  const Pty pty;
  const int next = test::next_descriptor();

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    CHECK((::fcntl(pty.terminal(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK((::fcntl(terminal.fd(), F_GETFL) & O_NONBLOCK) != 0);
  });

  CHECK((::fcntl(pty.terminal(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK(test::next_descriptor() == next);
}

TEST_CASE("what is no terminal is not opened as one") {
  test::run([] {
    auto [left, right] = io::PipeStream::pair();
    const int fd = left.fd();
    CHECK_THROWS_WITH_AS(Tty::open(fd),
                         doctest::Contains("inappropriate ioctl for device (ENOTTY)"),
                         std::system_error);
    CHECK_THROWS_WITH_AS(Tty::open(-1), "open fd -1: bad file descriptor (EBADF)",
                         std::system_error);
    CHECK_FALSE(io::is_tty(fd));
  });
}

TEST_CASE("a terminal that is closed has neither mode nor size") {
  const Pty pty;

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    CHECK(io::is_tty(pty.terminal()));
    terminal.close();
    CHECK_THROWS_AS(terminal.set_mode(TtyMode::kRaw), std::system_error);
    CHECK_THROWS_AS(static_cast<void>(terminal.window_size()), std::system_error);
    CHECK(pty.is_normal());
  });
}

TEST_CASE("a terminal whose other side is gone ends, or fails with io_error") {
  std::optional<Pty> pty(std::in_place);

  test::run([&] {
    auto terminal = Tty::open(pty->terminal());
    pty.reset();
    CHECK_THROWS_AS(terminal.write("x"), std::system_error);
  });
}

TEST_CASE("a terminal is a TTYWRAP, entered once for its close") {
  const Pty pty;
  test::HookRecorder recorder({{"FIBER", "TickObject"}});

  test::run([&] {
    auto terminal = Tty::open(pty.terminal());
    terminal.close();
    recorder.note("closing");
  });

  CHECK(recorder.trace() ==
        test::Trace{"init TTYWRAP 2 0", "closing", "before 2", "after 2", "destroy 2"});
}

}  // namespace
}  // namespace weft
