#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/io/directory.h>
#include <weft/io/fs.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Directory;
using io::File;
using test::HookRecorder;
using test::seen;
using test::TempDir;
using test::Trace;

TEST_SUITE_BEGIN("io/fs_hooks");

// Operations that take a callback; each calls `note` in it.
struct Scene {
  TempDir dir;
  std::optional<File> file = {};
  std::optional<Directory> directory = {};
  std::string buffer = std::string(8, '\0');

  std::vector<std::function<void(std::function<void()>)>> operations() {
    const auto any = [](auto note) { return [note](const auto&) { note(); }; };
    const std::string a = dir.path("a");
    return {
        [=, this](auto note) {
          File::open(a, {.read = true, .write = true, .create = true}, [this, note](auto opened) {
            file = std::move(opened).value();
            note();
          });
        },
        [=, this](auto note) { file->write("text", any(note)); },
        [=, this](auto note) {
          file->read_at(std::as_writable_bytes(std::span(buffer)), 0, any(note));
        },
        [=, this](auto note) { file->stat(any(note)); },
        [=, this](auto note) { file->sync(any(note)); },
        [=](auto note) { io::stat(a, any(note)); },
        [=](auto note) { io::stat("/none", any(note)); },
        [=](auto note) { io::rename(a, a, any(note)); },
        [=](auto note) { io::read_file(a, {}, any(note)); },
        [=](auto note) { io::write_file(a, "x", {}, any(note)); },
        [=, this](auto note) { io::read_directory(dir.path(), any(note)); },
        [=, this](auto note) {
          Directory::open(dir.path(), [this, note](auto opened) {
            directory = std::move(opened).value();
            note();
          });
        },
        [=, this](auto note) { directory->read(any(note)); },
        [=, this](auto note) { directory->close(any(note)); },
        [=, this](auto note) { file->close(any(note)); },
        [=, this](auto note) { file->close(any(note)); },  // closed already: on a tick
    };
  }
};

TEST_CASE("a callback sees the context of the call that took it") {
  const AsyncLocal<std::string> who;
  Scene scene;
  int calls = 0;

  test::run([&] {
    for (const auto& operation : scene.operations()) {
      await<void>([&](Callback<void> done) {
        auto ended = std::make_shared<Callback<void>>(std::move(done));
        who.run("caller", [&] {
          operation([&calls, &who, ended] {
            CHECK(seen(who) == "caller");
            ++calls;
            (*ended)(Result<void>());
          });
        });
      });
    }
  });

  CHECK(calls == 16);
}

TEST_CASE("a fiber keeps its context across its operations") {
  const AsyncLocal<std::string> who;
  const TempDir dir;
  Trace trace;

  test::run([&] {
    for (const char* name : {"a", "b"}) {
      who.run(name, [&, name] {
        spawn([&, path = dir.path(name)] {
          auto file = File::open(path, {.read = true, .write = true, .create = true});
          file.write(seen(who));
          file.close();
          trace.push_back(seen(who) + " wrote " + io::read_file(path));
        });
      });
    }
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"a wrote a", "b wrote b"});
}

TEST_CASE("an operation is a resource of type FSREQCALLBACK which lives until it has called") {
  Trace trace;

  test::run([&] {
    auto recorder =
        std::make_shared<HookRecorder>(HookRecorder::Options{.hidden_types = {"Immediate"}});
    io::stat("/", [&, recorder](const Result<io::FileStat>&) {
      recorder->note("stat");
      set_immediate([&, recorder] { set_immediate([&, recorder] { trace = recorder->take(); }); });
    });
  });

  trace.erase(std::remove(trace.begin(), trace.end(), "after 1"), trace.end());
  trace.erase(std::remove(trace.begin(), trace.end(), "resolve 1"), trace.end());
  trace.erase(std::remove(trace.begin(), trace.end(), "destroy 1"), trace.end());
  CHECK(trace == Trace{"init FSREQCALLBACK 2 1", "before 2", "stat", "after 2", "destroy 2"});
}

TEST_CASE("a fiber's operation is the same resource, around what wakes the fiber") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    HookRecorder recorder;
    auto file = File::open(dir.path("a"), {.write = true, .create = true});
    recorder.note("opened");
    file.close();
    recorder.note("closed");
    trace = recorder.take();
  });

  CHECK(trace == Trace{"init FSREQCALLBACK 2 1", "after 1", "before 2", "after 2", "before 1",
                       "opened", "init FSREQCALLBACK 3 1", "after 1", "destroy 2", "before 3",
                       "after 3", "before 1", "closed"});
}

TEST_CASE("dropping a file makes no resource") {
  const TempDir dir;
  Trace trace;

  test::run([&] {
    auto file = std::make_optional(File::open(dir.path("a"), {.write = true, .create = true}));
    HookRecorder recorder;
    file.reset();
    trace = recorder.take();
  });

  CHECK(trace.empty());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
