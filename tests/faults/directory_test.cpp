#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/io/directory.h>
#include <weft/io/file.h>
#include <weft/io/fs.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::Directory;
using io::DirectoryEntry;
using test::for_each_fault;
using test::on_threads;
using test::Operations;
using test::require_same;

void require(bool is_so, const char* what) {
  if (!is_so) throw std::logic_error(what);
}

TEST_SUITE_BEGIN("faults/directory");

TEST_CASE("a directory is read to its end, or it is told what failed") {
  const test::TempDir dir;
  for (const char* name : {"one", "two", "three"}) dir.write(name, "");
  for_each_fault(
      "a directory",
      [&](Operations&) {
        auto directory = Directory::open(dir.path());
        std::set<std::string> names;
        for (const DirectoryEntry& entry : directory) names.insert(entry.name);
        require(names == std::set<std::string>{"one", "two", "three"}, "other entries");
        directory.close();
      },
      on_threads());
}

TEST_CASE("callbacks hear what is in a directory, once each") {
  const test::TempDir dir;
  dir.write("one", "");
  for_each_fault(
      "a directory with callbacks",
      [&](Operations& operations) {
        std::optional<Directory> directory;
        operations.start<Directory>(
            "open", [&](auto done) { Directory::open(dir.path(), std::move(done)); },
            [&](Directory opened) {
              directory = std::move(opened);
              operations.start<std::vector<DirectoryEntry>>(
                  "read", [&](auto done) { directory->read(std::move(done)); },
                  [&](const std::vector<DirectoryEntry>& entries) {
                    require(entries.size() == 1, "another number of entries");
                    operations.start<void>(
                        "close", [&](auto done) { directory->close(std::move(done)); },
                        [&] { operations.finish(); });
                  });
            });
        operations.wait();
      },
      on_threads());
}

TEST_CASE("a tree is made, moved and removed, or it is told what failed") {
  const test::TempDir dir;
  for_each_fault(
      "a tree",
      [&](Operations&) {
        io::remove_all(dir.path("a"));
        io::remove_all(dir.path("moved"));
        io::mkdir(dir.path("a/b/c"), {.parents = true});
        io::write_file(dir.path("a/b/file"), "text");
        io::symlink("b", dir.path("a/link"));
        require_same(io::readlink(dir.path("a/link")), "b");
        require_same(io::realpath(dir.path("a/link/file")), io::realpath(dir.path("a/b/file")));
        io::rmdir(dir.path("a/b/c"));
        io::rename(dir.path("a"), dir.path("moved"));
        require(io::read_directory(dir.path("moved")).size() == 2, "another number of entries");
        require(io::remove_all(dir.path("moved")) == 4, "another number of files");
      },
      on_threads());
}

TEST_CASE("temporary files come and go, or it is told what failed") {
  const test::TempDir dir;
  for_each_fault(
      "temporary files",
      [&](Operations&) {
        const std::string folder = io::mkdtemp(dir.path("folder-"));
        auto [file, path] = io::mkstemp(folder + "/file-");
        file.write("text");
        file.truncate(2);
        file.sync();
        file.close();
        require_same(io::read_file(path), "te");
        io::unlink(path);
        io::rmdir(folder);
      },
      on_threads());
}

TEST_CASE("files are copied whole, or it is told what failed") {
  const test::TempDir dir;
  dir.write("from", "some text");
  for_each_fault(
      "copies",
      [&](Operations&) {
        io::copy_file(dir.path("from"), dir.path("copy"));
        require_same(io::read_file(dir.path("copy")), "some text");
        auto from = io::File::open(dir.path("from"), {.read = true});
        auto to = io::File::open(dir.path("sent"), {.write = true, .create = true});
        to.truncate(0);
        for (std::size_t sent = 0; sent < 9;) {
          const std::size_t count = io::send_file(to, from, {.offset = sent, .bytes = 9 - sent});
          require(count > 0, "the end came early");
          sent += count;
        }
        require_same(io::read_file(dir.path("sent")), "some text");
      },
      on_threads());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
