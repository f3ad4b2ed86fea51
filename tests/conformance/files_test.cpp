#include <array>
#include <cstddef>
#include <exception>
#include <future>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/fs.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/conformance/reproduce.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::File;
using test::Life;
using test::reproduce;
using test::TempDir;

TEST_SUITE_BEGIN("conformance/files");

TEST_CASE("reading a whole file is one resource") {
  reproduce("fs-readfile", [](Life& life) {
    life.run([&] {
      life.als.run("A", [&] {
        io::read_file("/etc/passwd", {}, [&](const Result<std::string>&) { life.cb("readFile"); });
      });
    });
  });
}

// Returns once what was started before has ended, on the one thread of the pool: all of it
// comes back in one turn.
void wait_for_pool(Life& life) {
  std::promise<void> is_last;
  life.hidden([&] {
    offload(
        Pool::fs(), [&] { is_last.set_value(); }, [](const Result<void>&) {});
  });
  is_last.get_future().wait();
}

TEST_CASE("operations that run at a time see the stores of their own calls") {
  Pool::fs().set_threads_max(1);

  reproduce("fs-stat-parallel", [](Life& life) {
    life.run([&] {
      for (const char* store : {"A", "B", "C"}) {
        life.als.run(store, [&] {
          io::stat("/", [&](const Result<io::FileStat>&) { life.cb("stat-of-" + life.store()); });
        });
      }
      wait_for_pool(life);
    });
  });
}

TEST_CASE("the handler of an error runs inside the operation that failed") {
  reproduce("fs-throw", [](Life& life) {
    const auto fail = [&] {
      next_tick([&] { life.cb("tick-created-before-throw"); });
      throw std::runtime_error("x");
    };
    const auto on_uncaught = [&](const std::exception_ptr& error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::runtime_error& thrown) {
        life.cb(std::string("uncaught-") + thrown.what());
      }
    };
    const auto body = [&] {
      life.als.run("A", [&] {
        io::stat("/", [&](const Result<io::FileStat>&) {
          life.cb("stat");
          life.als.run("INNER", fail);
        });
      });
    };
    life.run(body, {.on_uncaught = on_uncaught});
  });
}

// What a read stream of Node's does: each step on a tick behind the one before.
struct ReadAll {
  Life& life;
  std::optional<File> file = {};
  std::array<std::byte, 64> buffer = {};

  void open(const std::string& path) {
    File::open(path, {}, [this](Result<File> opened) {
      file = std::move(opened).value();
      life.cb("open");
      next_tick([this] { read(); });
    });
  }
  void read() {
    file->read(buffer, [this](Result<std::size_t> count) {
      if (count.value() > 0) life.cb("data");
      count.value() > 0 ? next_tick([this] { read(); }) : next_tick([this] { end(); });
    });
  }
  void end() {
    life.cb("end");
    file->close([this](const Result<void>&) { next_tick([this] { life.cb("close"); }); });
  }
};

TEST_CASE("opening, reading and closing are a chain of resources, each triggered by the last") {
  const TempDir dir;
  dir.write("a", "text");

  reproduce("fs-readstream", [&dir](Life& life) {
    ReadAll all{life};
    life.run([&] { life.als.run("A", [&] { all.open(dir.path("a")); }); });
  });
}

TEST_CASE("a fiber's operations on a file keep its store") {
  const TempDir dir;
  dir.write("a", "text");

  reproduce("fs-promises", [&dir](Life& life) {
    const auto use = [&] {
      auto file = File::open(dir.path("a"));
      life.cb("opened");
      std::array<std::byte, 4> buffer;
      file.read_at(buffer, 0);
      life.cb("read");
      file.close();
      life.cb("closed");
    };
    life.run([&] { life.als.run("A", [&] { spawn(use).detach(); }); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
