#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/error.h>
#include <weft/io/fs.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/failure.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::DirectoryEntry;
using io::FileKind;
using io::FileTime;
using test::failure_of;
using test::TempDir;
using test::Trace;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/fs");

TEST_CASE("stat follows a symlink, lstat tells of the link") {
  const TempDir dir;
  dir.write("a", "text");

  test::run([&] {
    io::symlink("a", dir.path("link"));

    CHECK(io::stat(dir.path("link")).is_file());
    CHECK(io::stat(dir.path("link")).size == 4);
    CHECK(io::lstat(dir.path("link")).is_symlink());
    CHECK(io::readlink(dir.path("link")) == "a");
    CHECK(io::realpath(dir.path("./link")) == io::realpath(dir.path("a")));
    CHECK(failure_of([&] { io::readlink(dir.path("a")); }) ==
          "readlink " + dir.path("a") + ": invalid argument (EINVAL)");
  });
}

TEST_CASE("an error names the call and the path, or both paths") {
  const TempDir dir;
  const std::string none = dir.path("none");
  const std::string to = dir.path("to");
  const std::string enoent = ": no such file or directory (ENOENT)";

  test::run([&] {
    CHECK(failure_of([&] { io::stat(none); }) == "stat " + none + enoent);
    CHECK(failure_of([&] { io::lstat(none); }) == "lstat " + none + enoent);
    CHECK(failure_of([&] { io::access(none); }) == "access " + none + enoent);
    CHECK(failure_of([&] { io::statfs(none); }) == "statfs " + none + enoent);
    CHECK(failure_of([&] { io::chmod(none, 0600); }) == "chmod " + none + enoent);
    CHECK(failure_of([&] { io::utime(none, {}, {}); }) == "utime " + none + enoent);
    CHECK(failure_of([&] { io::unlink(none); }) == "unlink " + none + enoent);
    CHECK(failure_of([&] { io::rmdir(none); }) == "rmdir " + none + enoent);
    CHECK(failure_of([&] { io::realpath(none); }) == "realpath " + none + enoent);
    CHECK(failure_of([&] { io::read_file(none); }) == "read_file " + none + enoent);
    CHECK(failure_of([&] { io::read_directory(none); }) == "read_directory " + none + enoent);
    CHECK(failure_of([&] { io::rename(none, to); }) == "rename " + none + " -> " + to + enoent);
    CHECK(failure_of([&] { io::link(none, to); }) == "link " + none + " -> " + to + enoent);
    CHECK(failure_of([&] { io::copy_file(none, to); }) ==
          "copy_file " + none + " -> " + to + enoent);
    CHECK(failure_of([&] { io::symlink("x", none + "/y"); }) ==
          "symlink x -> " + none + "/y" + enoent);
    CHECK(failure_of([&] { io::mkstemp(none + "/x"); }) ==
          "mkstemp " + none + "/x" + std::string(6, 'X') + enoent);
  });
}

TEST_CASE("names come, move and go") {
  const TempDir dir;
  dir.write("a", "text");

  test::run([&] {
    io::rename(dir.path("a"), dir.path("b"));
    io::link(dir.path("b"), dir.path("c"));
    CHECK(io::stat(dir.path("b")).is_same_file(io::stat(dir.path("c"))));
    CHECK(io::stat(dir.path("b")).link_count == 2);
    io::unlink(dir.path("b"));
    CHECK(failure_of([&] { io::access(dir.path("b")); }) != "no failure");
    io::access(dir.path("c"), {.read = true, .write = true});
    CHECK(failure_of([&] { io::access(dir.path("c"), {.execute = true}); }) ==
          "access " + dir.path("c") + ": permission denied (EACCES)");
  });
}

TEST_CASE("mode, owner and times can be changed, a symlink's own too") {
  const TempDir dir;
  dir.write("a", "text");
  const FileTime accessed(1'000'000'000s + 1ns);
  const FileTime modified(1'000'000'001s + 999'999'999ns);

  test::run([&] {
    const std::string a = dir.path("a");
    io::symlink("a", dir.path("link"));
    io::chmod(a, 0604);
    io::chown(a, ::getuid(), ::getgid());
    io::lchown(dir.path("link"), ::getuid(), ::getgid());
    io::utime(dir.path("link"), accessed, modified);
    io::lutime(dir.path("link"), {}, FileTime(5s));

    CHECK(io::stat(a).permissions() == 0604);
    CHECK(io::stat(a).accessed == accessed);
    CHECK(io::stat(a).modified == modified);
    CHECK(io::lstat(dir.path("link")).modified == FileTime(5s));
    CHECK(io::statfs(a).block_bytes > 0);
    CHECK(io::statfs(a).blocks >= io::statfs(a).blocks_free);
  });
}

TEST_CASE("a directory is made alone, or with those above it") {
  const TempDir dir;

  test::run([&] {
    const auto mode = ::umask(0);
    io::mkdir(dir.path("one"), {.mode = 0750});
    ::umask(mode);
    CHECK(io::stat(dir.path("one")).permissions() == 0750);
    CHECK(failure_of([&] { io::mkdir(dir.path("one")); }) ==
          "mkdir " + dir.path("one") + ": file already exists (EEXIST)");
    CHECK(failure_of([&] { io::mkdir(dir.path("a/b/c")); }) ==
          "mkdir " + dir.path("a/b/c") + ": no such file or directory (ENOENT)");
    io::mkdir(dir.path("a//b/c/"), {.parents = true});
    io::mkdir(dir.path("a/b/c"), {.parents = true});
    CHECK(io::stat(dir.path("a/b/c")).is_directory());
    dir.write("file", "");
    CHECK(failure_of([&] { io::mkdir(dir.path("file"), {.parents = true}); }) ==
          "mkdir " + dir.path("file") + ": file already exists (EEXIST)");
    CHECK(failure_of([&] { io::mkdir(dir.path("file/x"), {.parents = true}); }) ==
          "mkdir " + dir.path("file/x") + ": not a directory (ENOTDIR)");
  });
}

TEST_CASE("a directory is removed when it is empty, or with all that is in it") {
  const TempDir dir;

  test::run([&] {
    io::mkdir(dir.path("a/b"), {.parents = true});
    dir.write("outside", "stays");
    io::symlink(dir.path("outside"), dir.path("a/link"));
    dir.write("a/b/file", "goes");

    CHECK(failure_of([&] { io::rmdir(dir.path("a")); }) ==
          "rmdir " + dir.path("a") + ": directory not empty (ENOTEMPTY)");
    CHECK(io::remove_all(dir.path("a")) == 4);
    CHECK(io::remove_all(dir.path("a")) == 0);
    CHECK(io::read_file(dir.path("outside")) == "stays");
    CHECK(io::remove_all(dir.path("outside")) == 1);
    io::mkdir(dir.path("a"));
    io::rmdir(dir.path("a"));
  });
}

// Directories in one another, each with a file and a symlink to `outside`.
void make_deep(const std::string& top, const std::string& outside, int levels) {
  int above = ::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < levels; ++i) {
    REQUIRE(::mkdirat(above, "below", 0700) == 0);
    const int below = ::openat(above, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(std::exchange(above, below));
    REQUIRE(::mknodat(above, "file", S_IFREG | 0600, 0) == 0);
    REQUIRE(::symlinkat(outside.c_str(), above, "link") == 0);
  }
  ::close(above);
}

TEST_CASE("a tree deeper than there are descriptors, or a path is long, is removed") {
  const TempDir dir;
  constexpr int kLevels = 1000;  // of six characters each: beyond PATH_MAX

  test::run([&] {
    dir.write("outside", "stays");
    io::mkdir(dir.path("top"));
    make_deep(dir.path("top"), dir.path("outside"), kLevels);
  });
  const auto child = test::run_in_child([&] {
    test::run([&] {
      test::leave_free(8);
      REQUIRE(io::remove_all(dir.path("top")) == 3 * kLevels + 1);
      REQUIRE(io::remove_all(dir.path("top")) == 0);
    });
  });

  CHECK(child.status == 0);
  CHECK(child.errors == "");
  test::run([&] { CHECK(io::read_file(dir.path("outside")) == "stays"); });
}

TEST_CASE("remove_all follows no symlink, also where a slash is behind its name") {
  const TempDir dir;

  test::run([&] {
    io::mkdir(dir.path("kept/below"), {.parents = true});
    dir.write("file", "");
    io::symlink("kept", dir.path("link"));
    CHECK(failure_of([&] { io::remove_all(dir.path("link/")); }) ==
          "remove_all " + dir.path("link/") + ": not a directory (ENOTDIR)");
    CHECK(failure_of([&] { io::remove_all(dir.path("file/")); }) ==
          "remove_all " + dir.path("file/") + ": not a directory (ENOTDIR)");
    CHECK(io::remove_all(dir.path("link")) == 1);
    CHECK(io::remove_all(dir.path("file/none")) == 0);
    CHECK(io::read_directory(dir.path("kept")).size() == 1);
    CHECK(io::remove_all(dir.path("kept//")) == 2);
  });
}

TEST_CASE("a directory's entries are listed by name, with their kinds") {
  const TempDir dir;
  dir.write("b", "");

  test::run([&] {
    io::mkdir(dir.path("c"));
    io::symlink("nowhere", dir.path("a"));

    CHECK(io::read_directory(dir.path()) ==
          std::vector<DirectoryEntry>{
              {"a", FileKind::kSymlink}, {"b", FileKind::kFile}, {"c", FileKind::kDirectory}});
    CHECK(io::read_directory(dir.path("c")).empty());
  });
}

TEST_CASE("temporary files and directories have names of their own") {
  const TempDir dir;

  test::run([&] {
    const std::string first = io::mkdtemp(dir.path("d-"));
    const std::string second = io::mkdtemp(dir.path("d-"));
    CHECK(first != second);
    CHECK(io::stat(first).permissions() == 0700);

    io::TemporaryFile made = io::mkstemp(dir.path("f-"));
    made.file.write("text");
    CHECK(made.path.starts_with(dir.path("f-")));
    CHECK(io::read_file(made.path) == "text");
    made.file.close();
    CHECK(failure_of([&] { made.file.sync(); }) ==
          "sync " + made.path + ": bad file descriptor (EBADF)");
  });
}

TEST_CASE("a whole file is written, added to and read") {
  const TempDir dir;
  const std::string path = dir.path("a");
  const std::string much(3 << 20, 'x');

  test::run([&] {
    io::write_file(path, "first");
    io::write_file(path, "text", {.sync = true});
    io::append_file(path, "+more");
    CHECK(io::read_file(path) == "text+more");
    io::append_file(path, std::as_bytes(std::span(much)));
    CHECK(io::read_file(path) == "text+more" + much);
    CHECK(io::read_file("/proc/self/cmdline").size() > 1);  // its size is said to be 0

    CHECK(io::read_file(path, {.bytes_max = much.size() + 9}).size() == much.size() + 9);
    CHECK(failure_of([&] { io::read_file(path, {.bytes_max = much.size() + 8}); }) ==
          "read_file " + path + ": file too large (EFBIG)");
    CHECK(failure_of([&] { io::read_file("/proc/self/maps", {.bytes_max = 10}); }) ==
          "read_file /proc/self/maps: file too large (EFBIG)");
    CHECK(failure_of([&] { io::write_file(path, "x", {.exclusive = true}); }) ==
          "write_file " + path + ": file already exists (EEXIST)");
    CHECK(failure_of([&] { io::write_file("/dev/full", "x"); }) ==
          "write_file /dev/full: no space left on device (ENOSPC)");
    CHECK(failure_of([&] { io::read_file(dir.path()); }) ==
          "read_file " + dir.path() + ": illegal operation on a directory (EISDIR)");
    io::write_file(path, "");
    CHECK(io::read_file(path).empty());
  });
}

TEST_CASE("a file is copied whole, or a range of it to an open one") {
  const TempDir dir;
  dir.write("a", "0123456789");

  test::run([&] {
    io::copy_file(dir.path("a"), dir.path("b"));
    CHECK(io::read_file(dir.path("b")) == "0123456789");
    CHECK(failure_of([&] { io::copy_file(dir.path("a"), dir.path("b"), {.exclusive = true}); }) ==
          "copy_file " + dir.path("a") + " -> " + dir.path("b") + ": file already exists (EEXIST)");
    io::copy_file(dir.path("a"), dir.path("b"), {.clone = io::CloneMode::kTry});

    auto from = io::File::open(dir.path("a"));
    auto to = io::File::open(dir.path("c"), {.write = true, .create = true});
    CHECK(io::send_file(to, from, {.offset = 4, .bytes = 3}) == 3);
    CHECK(io::send_file(to, from, {.offset = 8, .bytes = 30}) == 2);
    CHECK(io::send_file(to, from, {.offset = 10, .bytes = 30}) == 0);
    CHECK(io::read_file(dir.path("c")) == "45689");
    CHECK(failure_of([&] { io::send_file(from, to, {.offset = 0, .bytes = 1}); }) ==
          "send_file " + dir.path("c") + " -> " + dir.path("a") + ": bad file descriptor (EBADF)");
  });
}

TEST_CASE("each operation without a value calls back") {
  const TempDir dir;
  dir.write("a", "text");
  Trace failures;
  int calls = 0;
  const auto note = [&](Result<void> result) {
    ++calls;
    if (!result) failures.push_back(result.message());
  };

  test::run([&] {
    const auto step = [&](auto start) {
      await<void>([&](Callback<void> done) {
        start([&note, done = std::move(done)](Result<void> result) mutable {
          note(result);
          done(Result<void>());
        });
      });
    };
    const std::string a = dir.path("a");
    const std::string b = dir.path("b");
    step([&](auto done) { io::access(a, {.read = true}, std::move(done)); });
    step([&](auto done) { io::chmod(a, 0600, std::move(done)); });
    step([&](auto done) { io::chown(a, ::getuid(), ::getgid(), std::move(done)); });
    step([&](auto done) { io::lchown(a, ::getuid(), ::getgid(), std::move(done)); });
    step([&](auto done) { io::utime(a, {}, {}, std::move(done)); });
    step([&](auto done) { io::lutime(a, {}, {}, std::move(done)); });
    step([&](auto done) { io::rename(a, b, std::move(done)); });
    step([&](auto done) { io::link(b, a, std::move(done)); });
    step([&](auto done) { io::unlink(b, std::move(done)); });
    step([&](auto done) { io::symlink("a", b, std::move(done)); });
    step([&](auto done) { io::mkdir(dir.path("c"), {}, std::move(done)); });
    step([&](auto done) { io::rmdir(dir.path("c"), std::move(done)); });
    step([&](auto done) { io::write_file(a, "new", {}, std::move(done)); });
    step([&](auto done) { io::append_file(a, "er", {}, std::move(done)); });
    step([&](auto done) { io::copy_file(a, dir.path("d"), {}, std::move(done)); });
    step([&](auto done) { io::rename(b, dir.path("none/x"), std::move(done)); });
    CHECK(io::read_file(dir.path("d")) == "newer");
  });

  CHECK(calls == 16);
  CHECK(failures == Trace{"rename " + dir.path("b") + " -> " + dir.path("none/x") +
                          ": no such file or directory (ENOENT)"});
}

TEST_CASE("each operation with a value calls back with it, later") {
  const TempDir dir;
  dir.write("a", "text");
  std::optional<io::FileStat> stat;
  Trace trace;
  const auto note = [&](const char* what) {
    return [&trace, what](const Result<std::string>& result) {
      trace.push_back(what + result.value());
    };
  };

  test::run([&] {
    io::symlink("a", dir.path("link"));
    io::stat(dir.path("link"), [&](Result<io::FileStat> found) { stat = found.value(); });
    io::lstat(dir.path("link"),
              [](Result<io::FileStat> found) { CHECK(found.value().is_symlink()); });
    io::statfs(dir.path(),
               [](Result<io::FileSystemStat> found) { CHECK(found.value().blocks > 0); });
    io::readlink(dir.path("link"), note("link to "));
    io::realpath("/", note("root is "));
    io::read_file(dir.path("a"), {}, note("file has "));
    io::mkdtemp("/none/x", [&](Result<std::string> made) { trace.push_back(made.message()); });
    io::remove_all(dir.path("none"), [](Result<std::size_t> count) { CHECK(count.value() == 0); });
    io::read_directory(dir.path(), [](Result<std::vector<DirectoryEntry>> entries) {
      CHECK(entries.value().size() >= 2);
    });
    io::mkstemp(dir.path("t"),
                [](Result<io::TemporaryFile> made) { CHECK(made.value().file.is_open()); });
    CHECK(trace.empty());
    CHECK_FALSE(stat.has_value());
  });

  CHECK(stat->is_file());
  std::sort(trace.begin(), trace.end());
  CHECK(trace ==
        Trace{"file has text", "link to a",
              "mkdtemp /none/x" + std::string(6, 'X') + ": no such file or directory (ENOENT)",
              "root is /"});
}

TEST_CASE("what a program does wrong with paths is a UsageError") {
  const std::string bad("a\0b", 3);

  test::run([&] {
    CHECK_THROWS_WITH_AS(io::stat(bad), "stat: the path has a null character in it", UsageError);
    CHECK_THROWS_AS(io::rename("a", bad), UsageError);
    CHECK_THROWS_AS(io::stat("a", Callback<io::FileStat>()), UsageError);
  });
  CHECK_THROWS_AS(io::stat("/"), UsageError);
  CHECK_THROWS_AS(io::stat("/", [](const Result<io::FileStat>&) {}), UsageError);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
