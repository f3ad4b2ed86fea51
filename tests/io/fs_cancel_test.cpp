#include <array>
#include <cstddef>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <sched.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/io/fs.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/busy.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::File;
using test::Busy;
using test::outcome;
using test::TempDir;
using test::Trace;

TEST_SUITE_BEGIN("io/fs_cancel");

constexpr std::size_t kThreads = 4;

// The pool of files with few threads, so that a test can hold them all.
class FourThreads {
 public:
  FourThreads() { Pool::fs().set_threads_max(kThreads); }
};

// The ends of a pipe: a read of it runs until somebody writes.
struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() { ::close(ends[1]); }

  File reader() { return File::adopt(ends[0], "pipe"); }
  void send(std::string_view text) const {
    CHECK(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  std::array<int, 2> ends{};
};

void wait_until_running(std::size_t count) {
  while (Pool::fs().statistics().running < count) yield();
}

TEST_CASE("a cancelled operation that waits for a thread is not done") {
  const FourThreads few;
  const TempDir dir;
  const int free = test::next_descriptor();
  Trace trace;

  test::run([&] {
    Busy busy(Pool::fs(), kThreads);
    auto task = spawn([&] {
      trace.push_back(outcome([&] { io::mkdir(dir.path("made")); }));
      trace.push_back(outcome([&] { File::open(dir.path("f"), {.write = true, .create = true}); }));
    });
    while (Pool::fs().statistics().queued == 0) yield();
    task.cancel();
    task.join();
    trace.push_back("the task has ended");
    busy.let_go();
    CHECK(io::read_directory(dir.path()).empty());
  });

  CHECK(trace == Trace{"cancelled", "cancelled", "the task has ended"});
  CHECK(test::next_descriptor() == free);
}

// A FIFO nobody else has open: opening one of its ends waits for the other.
struct Fifo {
  explicit Fifo(const TempDir& dir) : path(dir.path("fifo")) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  }
  // Lets those who wait on, and returns when they have ended.
  void open_other_ends() const {
    const int both = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(both >= 0);
    ::close(both);
    while (Pool::fs().statistics().abandoned > 0) ::sched_yield();
  }

  std::string path;
};

TEST_CASE("a cancelled operation on a path is given up: nobody waits for what its call hangs in") {
  const TempDir dir;
  const Fifo fifo(dir);
  std::function<void()> hang;
  SUBCASE("open") {
    hang = [&] { File::open(fifo.path); };
  }
  SUBCASE("read_file") {
    hang = [&] { io::read_file(fifo.path); };
  }
  SUBCASE("write_file") {
    hang = [&] { io::write_file(fifo.path, std::string("not kept")); };
  }
  SUBCASE("append_file") {
    hang = [&] { io::append_file(fifo.path, std::string("not kept")); };
  }
  SUBCASE("copy_file") {
    hang = [&] { io::copy_file(fifo.path, dir.path("copy")); };
  }
  const int free = test::next_descriptor();
  Trace trace;

  test::run([&] {
    auto task = spawn([&] { trace.push_back(outcome(hang)); });
    yield();
    wait_until_running(1);
    task.cancel();
    task.join();
    trace.push_back("joined");
    CHECK(Pool::fs().statistics().abandoned == 1);
  });
  trace.push_back("the run has ended");
  fifo.open_other_ends();

  CHECK(trace == Trace{"cancelled", "joined", "the run has ended"});
  CHECK(test::next_descriptor() == free);
}

TEST_CASE("as many opens given up as there are threads stop no other file") {
  const FourThreads few;
  const TempDir dir;
  const Fifo fifo(dir);
  Trace trace;

  test::run([&] {
    std::vector<Task<void>> tasks;
    for (std::size_t i = 0; i < kThreads; ++i) {
      tasks.push_back(spawn([&] { File::open(fifo.path); }));
    }
    yield();
    wait_until_running(kThreads);
    auto waiting = spawn([&] {
      io::stat(dir.path());
      trace.push_back("waited for a thread");
    });
    yield();
    for (auto& task : tasks) task.cancel();
    for (auto& task : tasks) CHECK_THROWS_AS(task.join(), std::system_error);
    waiting.join();
    io::stat(dir.path());
    CHECK(Pool::fs().statistics().abandoned == kThreads);
    CHECK(Pool::fs().statistics().threads <= kThreads);
  });
  fifo.open_other_ends();

  CHECK(trace == Trace{"waited for a thread"});
  CHECK(Pool::fs().statistics().threads <= kThreads);
}

TEST_CASE("a stopped run does not wait for an open that hangs") {
  const TempDir dir;
  const Fifo fifo(dir);
  Trace trace;

  test::run([&] {
    spawn([&] { trace.push_back(outcome([&] { File::open(fifo.path); })); });
    yield();
    wait_until_running(1);
    Loop::current().stop();
  });
  fifo.open_other_ends();

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a process ends while an open that was given up hangs") {
  const TempDir dir;
  const Fifo fifo(dir);

  const auto child = test::run_in_child([&] {
    run([&] {
      auto task = spawn([&] { File::open(fifo.path); });
      yield();
      wait_until_running(1);
      task.cancel();
      CHECK_THROWS_AS(task.join(), std::system_error);
    });
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

TEST_CASE("a cancelled read that runs is waited for, and its bytes are returned") {
  Pipe pipe;
  std::string text(8, '\0');
  Trace trace;

  test::run([&] {
    auto file = pipe.reader();
    auto task = spawn([&] {
      const std::size_t count = file.read(std::as_writable_bytes(std::span(text)));
      trace.push_back("read " + text.substr(0, count));
      trace.push_back(outcome([&] { file.stat(); }));
    });
    yield();
    wait_until_running(1);
    task.cancel();
    yield();
    trace.push_back("still waits");
    pipe.send("late");
    task.join();
  });

  CHECK(trace == Trace{"still waits", "read late", "cancelled"});
}

TEST_CASE("a cancelled write of a whole file ends between two steps") {
  const TempDir dir;
  REQUIRE(::mkfifo(dir.path("fifo").c_str(), 0600) == 0);
  const std::string much(32 << 20, 'x');
  Trace trace;

  test::run([&] {
    auto task =
        spawn([&] { trace.push_back(outcome([&] { io::write_file(dir.path("fifo"), much); })); });
    auto file = File::open(dir.path("fifo"));  // once the writer has opened it, too
    std::string piece(1 << 20, '\0');
    std::size_t count = file.read(std::as_writable_bytes(std::span(piece)));
    task.cancel();
    for (std::size_t more = count; more > 0; count += more) {
      more = file.read(std::as_writable_bytes(std::span(piece)));
    }
    task.join();
    CHECK(count > 0);
    CHECK(count < much.size());
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a close waits for the operations that run, and later ones find nothing open") {
  Pipe pipe;
  std::string text(8, '\0');
  Trace trace;

  test::run([&] {
    auto file = pipe.reader();
    file.read(std::as_writable_bytes(std::span(text)), [&](Result<std::size_t> count) {
      trace.push_back("read " + text.substr(0, count.value()));
    });
    wait_until_running(1);
    file.close([&](Result<void> closed) { trace.push_back("closed" + closed.message()); });
    CHECK(file.fd() == -1);
    file.close([&](Result<void> closed) { trace.push_back(closed.message()); });
    file.stat([&](Result<io::FileStat> stat) {
      trace.push_back(stat.message());
      pipe.send("late");
    });
  });

  CHECK(trace == Trace{"close pipe: bad file descriptor (EBADF)",
                       "stat pipe: bad file descriptor (EBADF)", "read late", "closed"});
}

TEST_CASE("a cancelled close ends its wait, and the file is closed all the same") {
  const int free = test::next_descriptor();
  Trace trace;

  test::run([&] {
    Pipe pipe;
    auto file = std::make_optional(pipe.reader());
    std::string text(8, '\0');
    auto reader = spawn([&] { file->read(std::as_writable_bytes(std::span(text))); });
    yield();
    wait_until_running(1);
    auto closer = spawn([&] { trace.push_back(outcome([&] { file->close(); })); });
    yield();
    closer.cancel();
    closer.join();
    pipe.send("x");
    reader.join();
  });

  CHECK(trace == Trace{"cancelled"});
  CHECK(test::next_descriptor() == free);
}

TEST_CASE("a dropped file is closed once its last operation has ended") {
  const int free = test::next_descriptor();
  std::string text(8, '\0');
  Trace trace;

  test::run([&] {
    Pipe pipe;
    auto file = std::make_optional(pipe.reader());
    file->read(std::as_writable_bytes(std::span(text)), [&](Result<std::size_t> count) {
      trace.push_back("read " + text.substr(0, count.value()));
    });
    wait_until_running(1);
    file.reset();
    CHECK(::fcntl(pipe.ends[0], F_GETFD) != -1);
    pipe.send("late");
  });

  CHECK(trace == Trace{"read late"});
  CHECK(test::next_descriptor() == free);
}

TEST_CASE("a file that outlives its loop is closed where it is dropped") {
  const TempDir dir;
  const int free = test::next_descriptor();
  std::optional<File> kept;

  test::run([&] {
    kept = File::open(dir.path("a"), {.write = true, .create = true});
    auto moved_to = File::open(dir.path("a"));
    moved_to = File::open(dir.path("a"));  // drops the first
  });
  CHECK(kept->is_open());
  test::run([&] { kept->write("on another loop"); });
  kept.reset();

  CHECK(test::next_descriptor() == free);
}

TEST_CASE("a run that is stopped waits for what runs and leaves nothing open") {
  const FourThreads few;
  const TempDir dir;
  const int free = test::next_descriptor();
  Trace trace;

  test::run([&] {
    File::open(dir.path("a"), {.write = true, .create = true},
               [&](Result<File> file) { trace.push_back(file ? "opened" : "failed"); });
    spawn([&] {
      auto file = File::open(dir.path("b"), {.write = true, .create = true});
      trace.push_back(outcome([&] { file.write("x"); }));
    });
    Loop::current().stop();
  });

  CHECK(trace.size() >= 1);
  CHECK(test::next_descriptor() == free);
}

TEST_CASE("a pool that is full refuses operations but never a close") {
  const FourThreads few;
  const TempDir dir;
  const int free = test::next_descriptor();
  std::optional<Result<io::FileStat>> stat;
  bool was_closed = false;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.write = true, .create = true});
    auto dropped = std::make_optional(File::open(dir.path("a")));
    auto closed = File::open(dir.path("a"));
    Busy busy(Pool::fs(), kThreads);
    Pool::fs().set_queue_max(0);

    CHECK_THROWS_AS(io::stat(dir.path("a")), std::system_error);
    file.stat([&](Result<io::FileStat> result) { stat = std::move(result); });
    CHECK_FALSE(stat.has_value());
    dropped.reset();
    file.close();
    closed.close([&](Result<void> result) { was_closed = result.has_value(); });
    CHECK_FALSE(was_closed);
    Pool::fs().set_queue_max(1000);
    busy.let_go();
  });

  REQUIRE(stat.has_value());
  CHECK(stat->error() == std::errc::resource_unavailable_try_again);
  CHECK(stat->message().starts_with("stat " + dir.path("a") + ": pool 'fs': the queue is full"));
  CHECK(was_closed);
  CHECK(test::next_descriptor() == free);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
