#include <array>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/pipe.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::PipeListener;
using io::PipeStream;
using test::read_some;
using test::read_to_end;
using test::TempDir;
using test::Trace;
using namespace std::string_literals;
using namespace std::string_view_literals;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "none";
}

// The two ends of a pipe(2); the caller's to close.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  return ends;
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST_SUITE_BEGIN("io/pipe");

TEST_CASE("two programs talk over a path, and over an abstract name") {
  const TempDir dir;
  std::string path;
  SUBCASE("a path") {
    path = dir.path("socket");
  }
  SUBCASE("an abstract name") {
    path = "\0weft-test-"s + std::to_string(::getpid());
  }
  Trace trace;

  test::run([&] {
    auto listener = PipeListener::bind(path);
    auto client = PipeStream::connect(path);
    auto server = listener.accept();
    client.write("question");
    trace.push_back("server read " + read_some(server));
    server.write("answer");
    server.shutdown();
    trace.push_back("client read " + read_to_end(client));
  });

  CHECK(trace == Trace{"server read question", "client read answer"});
}

TEST_CASE("a pair is connected both ways") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    left.write("to the right");
    right.write("to the left");

    CHECK(read_some(right) == "to the right");
    CHECK(read_some(left) == "to the left");
  });
}

TEST_CASE("an end that is dropped is the end of the stream for the other") {
  test::run([] {
    std::optional<std::pair<PipeStream, PipeStream>> ends = PipeStream::pair();
    auto left = std::move(ends->first);
    ends.reset();

    CHECK(read_some(left) == "");
    CHECK_THROWS_WITH_AS(left.write("x"), doctest::Contains("broken pipe"), std::system_error);
  });
}

TEST_CASE("much is written with backpressure, and arrives in order") {
  std::string sent;
  for (int i = 0; sent.size() < 4'000'000; ++i) sent += std::to_string(i) + " ";
  std::string got;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    auto reading = spawn([&, &from = right] { got = read_to_end(from); });
    left.write(sent);
    left.shutdown();
    reading.join();
  });

  CHECK(got == sent);
}

TEST_CASE("the ends of a pipe(2) read and write, and shutdown ends what is read") {
  test::run([] {
    const auto fds = make_pipe();
    auto reader = PipeStream::open(fds[0]);
    auto writer = PipeStream::open(fds[1]);
    writer.write("text");
    writer.shutdown();

    CHECK(read_to_end(reader) == "text");
    CHECK(writer.is_closing());
    writer.wait_closed();
  });
}

TEST_CASE("the reading end of a pipe(2) cannot be written, nor the writing end read") {
  test::run([] {
    const auto fds = make_pipe();
    auto reader = PipeStream::open(fds[0]);
    auto writer = PipeStream::open(fds[1]);

    CHECK_THROWS_AS(reader.write("x"), std::system_error);
    CHECK_THROWS_AS(read_some(writer), std::system_error);
  });
}

TEST_CASE("a descriptor that is no pipe and no stream socket stays the caller's") {
  const TempDir dir;
  dir.write("file", "text");
  int fd = -1;
  SUBCASE("a file") {
    fd = ::open(dir.path("file").c_str(), O_RDONLY | O_CLOEXEC);
  }
  SUBCASE("a directory") {
    fd = ::open(dir.path().c_str(), O_RDONLY | O_CLOEXEC);
  }
  SUBCASE("/dev/null") {
    fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  SUBCASE("a socket for datagrams") {
    fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }

  test::run([&] {
    const std::string expected = "open fd " + std::to_string(fd) + ": invalid argument (EINVAL)";
    CHECK(error_of([&] { PipeStream::open(fd); }) == expected);
  });

  CHECK(is_open(fd));
  ::close(fd);
}

TEST_CASE("opening a descriptor that is not open says so") {
  test::run([] {
    CHECK(error_of([] { PipeStream::open(-1); }) == "open fd -1: bad file descriptor (EBADF)");
  });
}

TEST_CASE("connect says why it failed, and where") {
  const TempDir dir;
  dir.write("file", "");
  std::string path;
  std::string why;
  SUBCASE("no such file") {
    path = dir.path("nothing");
    why = "no such file or directory (ENOENT)";
  }
  SUBCASE("nobody listens") {
    path = dir.path("file");
    why = "connection refused (ECONNREFUSED)";
  }
  SUBCASE("a path that has no place in an address") {
    path = dir.path(std::string(100, 'x'));
    why = "the path of a socket has 107 bytes at most: name too long (ENAMETOOLONG)";
  }

  test::run([&] {
    CHECK(error_of([&] { PipeStream::connect(path); }) == "connect " + path + ": " + why);
  });
}

TEST_CASE("a path of 107 bytes fits") {
  const TempDir dir;
  const std::string path = dir.path(std::string(106 - dir.path().size(), 'x'));
  REQUIRE(path.size() == 107);

  test::run([&] {
    auto listener = PipeListener::bind(path);
    auto client = PipeStream::connect(path);
    CHECK(std::filesystem::is_socket(path));
  });
}

TEST_CASE("connect refuses a path that is empty or has a null character inside") {
  test::run([] {
    CHECK_THROWS_WITH_AS(PipeStream::connect(""), "connect: the path is empty", UsageError);
    CHECK_THROWS_WITH_AS(PipeStream::connect("/tmp/a\0b"sv),
                         "connect: the path has a null character in it", UsageError);
  });
}

TEST_CASE("connect to a listener whose backlog is full does not wait") {
  const TempDir dir;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"), {.backlog = 0});
    std::vector<PipeStream> waiting;
    const std::string why = error_of([&] {
      while (waiting.size() < 100) waiting.push_back(PipeStream::connect(dir.path("s")));
    });

    CHECK(why == "connect " + dir.path("s") + ": resource temporarily unavailable (EAGAIN)");
  });
}

TEST_CASE("connect with a callback calls it once, later, in its own context") {
  const TempDir dir;
  const AsyncLocal<std::string> who;
  std::string path;
  std::string how;
  SUBCASE("when it succeeds") {
    path = dir.path("s");
    how = "connected";
  }
  SUBCASE("when it fails") {
    path = dir.path("nothing");
    how = "connect " + path + ": no such file or directory (ENOENT)";
  }
  Trace trace;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    who.run("caller", [&] {
      PipeStream::connect(path, [&](Result<PipeStream> stream) {
        trace.push_back((stream ? "connected" : stream.message()) + " for " + test::seen(who));
      });
    });
    trace.push_back("returned");
    yield();
    yield();
  });

  CHECK(trace == Trace{"returned", how + " for caller"});
}

TEST_CASE("connect takes an empty callback") {
  const TempDir dir;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    PipeStream::connect(dir.path("s"), Callback<PipeStream>());
    auto server = listener.accept();
    CHECK(read_to_end(server) == "");
  });
}

TEST_CASE("a cancelled fiber does not connect") {
  const TempDir dir;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    CancelScope scope;
    scope.cancel();
    std::string how;
    scope.run([&] { how = test::outcome([&] { PipeStream::connect(dir.path("s")); }); });

    CHECK(how == "cancelled");
  });
}

TEST_CASE("a connect that is cancelled meanwhile is over all the same, and nothing is left open") {
  const TempDir dir;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    auto connecting = spawn([&] { PipeStream::connect(dir.path("s")); });
    yield();
    connecting.cancel();
    auto server = listener.accept();

    CHECK(read_to_end(server) == "");
  });
}

TEST_CASE("closing a pipe ends its pending read") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    auto reading = spawn([&, &from = left] { return error_of([&] { read_some(from); }); });
    yield();
    left.close();

    CHECK(reading.join() == "read pair: operation canceled (ECANCELED)");
  });
}

}  // namespace
}  // namespace weft
