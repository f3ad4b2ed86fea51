#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/fs_event.h>
#include <weft/io/pipe.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::PipeListener;
using io::PipeListenOptions;
using io::PipeStream;
using test::read_some;
using test::read_to_end;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "none";
}

// Returns when what was dropped is closed.
void next_turn() {
  await<int>(
      [](Callback<int> done) { set_immediate([done = std::move(done)]() mutable { done(0); }); });
}

TEST_SUITE_BEGIN("io/pipe_listener");

TEST_CASE("the socket's file is there until the listener closes, or is dropped") {
  const TempDir dir;
  const std::string path = dir.path("s");
  bool drops = false;
  SUBCASE("closed") {}
  SUBCASE("dropped") {
    drops = true;
  }

  test::run([&] {
    std::optional<PipeListener> listener = PipeListener::bind(path);
    CHECK(listener->path() == path);
    CHECK(fs::is_socket(path));
    drops ? listener.reset() : listener->close();
    CHECK_FALSE(fs::exists(path));
  });
}

TEST_CASE("a file that another has put at the path stays when the listener closes") {
  const TempDir dir;
  const std::string path = dir.path("s");

  test::run([&] {
    auto first = PipeListener::bind(path);
    dir.rename("s", "old");
    auto second = PipeListener::bind(path);
    first.close();
    CHECK(fs::is_socket(path));
    auto client = PipeStream::connect(path);
    client.write("text");
    auto server = second.accept();
    CHECK(read_some(server) == "text");
  });
}

TEST_CASE("bind says why it failed, and where") {
  const TempDir dir;
  dir.write("left", "");
  std::string path;
  std::string why;
  SUBCASE("the file exists") {
    path = dir.path("left");
    why = "address already in use (EADDRINUSE)";
  }
  SUBCASE("the directory does not") {
    path = dir.path("no/s");
    why = "no such file or directory (ENOENT)";
  }
  SUBCASE("the path has no place in an address") {
    path = dir.path(std::string(200, 'x'));
    why = "the path of a socket has 107 bytes at most: name too long (ENAMETOOLONG)";
  }

  test::run(
      [&] { CHECK(error_of([&] { PipeListener::bind(path); }) == "listen " + path + ": " + why); });

  CHECK(fs::exists(dir.path("left")));
}

TEST_CASE("an abstract name is taken until its listener closes") {
  const std::string name = std::string(1, '\0') + "weft-test-" + std::to_string(::getpid());

  test::run([&] {
    auto listener = PipeListener::bind(name);
    CHECK(listener.path() == "@" + name.substr(1));
    CHECK(error_of([&] { PipeListener::bind(name); }) ==
          "listen @" + name.substr(1) + ": address already in use (EADDRINUSE)");
    listener.close();
    listener = PipeListener::bind(name);
  });
}

TEST_CASE("the umask decides who may use the file, unless the options let all") {
  const TempDir dir;
  PipeListenOptions options;
  mode_t expected = 0700;
  SUBCASE("the umask") {}
  SUBCASE("readable by all") {
    options.readable_by_all = true;
    expected = 0744;
  }
  SUBCASE("writable by all") {
    options.writable_by_all = true;
    expected = 0722;
  }
  const mode_t before = ::umask(0077);

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"), options);
    struct stat found;
    REQUIRE(::stat(dir.path("s").c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == expected);
  });

  ::umask(before);
}

TEST_CASE("the mode of a socket's file is there when the file is, and no umask is changed") {
  const TempDir dir;
  const mode_t before = ::umask(0077);

  test::run([&] {
    auto watch = io::FsEvent::watch(dir.path());
    auto listener =
        PipeListener::bind(dir.path("s"), {.readable_by_all = true, .writable_by_all = true});
    sleep_for(1ms);  // what has happened meanwhile is one change
    CHECK(watch.next() == io::FsChange{.name = "s", .renamed = true});
    CHECK(error_of([&] { PipeListener::bind(dir.path("s"), {.writable_by_all = true}); }) ==
          "listen " + dir.path("s") + ": address already in use (EADDRINUSE)");
  });

  CHECK(::umask(before) == 0077);
}

TEST_CASE("connections are handed over in order, in the context of on_connection's caller") {
  const TempDir dir;
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    std::vector<PipeStream> clients;
    for (const char* const text : {"a", "b", "c"}) {
      clients.push_back(PipeStream::connect(dir.path("s")));
      clients.back().write(text);
    }
    who.run("server", [&] {
      listener.on_connection([&](PipeStream connection) {
        spawn([&, peer = std::move(connection)]() mutable {
          trace.push_back(read_some(peer) + " for " + test::seen(who));
          if (trace.size() == 3) listener.close();
        });
      });
    });
    listener.wait_closed();
  });

  CHECK(trace == Trace{"a for server", "b for server", "c for server"});
}

TEST_CASE("closing a listener ends the pending accept") {
  const TempDir dir;

  test::run([&] {
    auto listener = PipeListener::bind(dir.path("s"));
    auto accepting = spawn([&] { return error_of([&] { listener.accept(); }); });
    yield();
    listener.close();

    CHECK(accepting.join() == "accept " + dir.path("s") + ": operation canceled (ECANCELED)");
  });
}

// In a child only REQUIRE is seen.
void accept_without_descriptors() {
  const TempDir dir;
  auto listener = PipeListener::bind(dir.path("s"));
  std::vector<PipeStream> clients;
  while (clients.size() < 5) clients.push_back(PipeStream::connect(dir.path("s")));
  // UBSan's first look at a type takes a pipe.
  REQUIRE(error_of([&] { PipeStream::connect(dir.path("none")); }) != "none");
  auto [near, far] = PipeStream::pair();
  near.close();
  REQUIRE(read_to_end(far).empty());
  far.close();
  far.wait_closed();
  test::leave_free(2);
  std::vector<PipeStream> accepted;
  const std::string why = error_of([&] {
    for (;;) accepted.push_back(listener.accept());
  });
  REQUIRE(why == "accept " + dir.path("s") + ": too many open files (EMFILE)");
  REQUIRE(accepted.size() == 2);
  for (int i = 2; i < 5; ++i) {
    accepted.clear();
    next_turn();
    accepted.push_back(listener.accept());
    accepted.back().write("late");
    REQUIRE(read_some(clients[static_cast<std::size_t>(i)]) == "late");
  }
}

TEST_CASE("without descriptors accept says so, and who waits is accepted later") {
  const auto child = test::run_in_child([] { test::run(accept_without_descriptors); });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

}  // namespace
}  // namespace weft
