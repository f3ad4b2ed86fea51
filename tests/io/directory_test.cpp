#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/directory.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/failure.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Directory;
using io::DirectoryEntry;
using io::FileKind;
using test::failure_of;
using test::TempDir;
using test::Trace;
using Entries = std::vector<DirectoryEntry>;

TEST_SUITE_BEGIN("io/directory");

TEST_CASE("a directory gives each entry once, however many there are") {
  const TempDir dir;
  std::vector<std::string> names;
  for (int i = 100; i < 300; ++i) {
    names.push_back(std::to_string(i));
    dir.write(names.back(), "");
  }
  std::vector<std::string> seen;

  test::run([&] {
    auto directory = Directory::open(dir.path());
    for (const DirectoryEntry& entry : directory) {
      CHECK(entry.kind == FileKind::kFile);
      seen.push_back(entry.name);
    }
    CHECK_FALSE(directory.next().has_value());
    directory.close();
    CHECK_FALSE(directory.is_open());
  });

  std::sort(seen.begin(), seen.end());
  CHECK(seen == names);
}

TEST_CASE("an empty directory has no entries") {
  const TempDir dir;

  test::run([&] {
    auto directory = Directory::open(dir.path());
    CHECK_FALSE(directory.next().has_value());
    CHECK(directory.read().empty());
  });
}

TEST_CASE("what cannot be opened or read says so with its path") {
  const TempDir dir;
  dir.write("a", "");

  test::run([&] {
    CHECK(failure_of([&] { Directory::open(dir.path("none")); }) ==
          "opendir " + dir.path("none") + ": no such file or directory (ENOENT)");
    CHECK(failure_of([&] { Directory::open(dir.path("a")); }) ==
          "opendir " + dir.path("a") + ": not a directory (ENOTDIR)");
    auto directory = Directory::open(dir.path());
    directory.close();
    CHECK(failure_of([&] { directory.read(); }) ==
          "readdir " + dir.path() + ": bad file descriptor (EBADF)");
    CHECK(failure_of([&] { directory.close(); }) ==
          "close " + dir.path() + ": bad file descriptor (EBADF)");
  });
}

TEST_CASE("callbacks open, read and close a directory as resources of Node's types") {
  const TempDir dir;
  dir.write("a", "");
  std::optional<Directory> directory;
  Trace trace;

  test::run([&] {
    auto recorder = std::make_shared<test::HookRecorder>(
        test::HookRecorder::Options{.hidden_types = {"Immediate"}});
    Directory::open(dir.path(), [&, recorder](Result<Directory> opened) {
      directory = std::move(opened).value();
      directory->read([&, recorder](Result<Entries> entries) {
        CHECK(entries.value() == Entries{{"a", FileKind::kFile}});
        directory->close([&, recorder](Result<void> closed) {
          CHECK(closed.has_value());
          set_immediate(
              [&, recorder] { set_immediate([&, recorder] { trace = recorder->take(); }); });
        });
      });
    });
    CHECK_FALSE(directory.has_value());
  });

  trace.erase(std::remove_if(trace.begin(), trace.end(),
                             [](const std::string& line) {
                               return line.ends_with(" 1") && !line.starts_with("init");
                             }),
              trace.end());
  CHECK(trace == Trace{"init FSREQCALLBACK 2 1", "init DIRHANDLE 3 0", "before 2",
                       "init FSREQCALLBACK 4 2", "after 2", "destroy 2", "before 4",
                       "init FSREQCALLBACK 5 4", "after 4", "destroy 4", "before 5", "after 5",
                       "destroy 5", "destroy 3"});
}

TEST_CASE("a second read at a time is a misuse; a close waits for the read that runs") {
  const TempDir dir;
  dir.write("a", "");
  Trace trace;

  test::run([&] {
    auto directory = Directory::open(dir.path());
    directory.read([&](Result<Entries> entries) {
      trace.push_back("read " + std::to_string(entries.value().size()));
    });
    CHECK_THROWS_AS(directory.read(), UsageError);
    directory.close([&](Result<void> closed) { trace.push_back("closed" + closed.message()); });
    CHECK_FALSE(directory.is_open());
  });

  CHECK(trace == Trace{"read 1", "closed"});
}

TEST_CASE("a dropped directory is closed when its read has ended") {
  const TempDir dir;
  const int free = test::next_descriptor();
  bool was_read = false;

  test::run([&] {
    auto directory = std::make_optional(Directory::open(dir.path()));
    directory->read([&](Result<Entries> entries) { was_read = entries.has_value(); });
    directory.reset();
  });

  CHECK(was_read);
  CHECK(test::next_descriptor() == free);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
