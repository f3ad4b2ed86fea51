#include <array>
#include <cstddef>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/io/file.h>
#include <weft/tests/support/failure.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::File;
using io::FileTime;
using io::OpenOptions;
using test::failure_of;
using test::TempDir;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/file");

std::span<std::byte> bytes_of(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

std::string read_text(File& file, std::size_t size = 64) {
  std::string text(size, '\0');
  text.resize(file.read(bytes_of(text)));
  return text;
}

std::string text_at(File& file, std::uint64_t offset, std::size_t size) {
  std::string text(size, '\0');
  text.resize(file.read_at(bytes_of(text), offset));
  return text;
}

TEST_CASE("a file is written and read from its position on, to its end") {
  const TempDir dir;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.write = true, .create = true});
    file.write("first ");
    file.write("second");
    file.close();

    auto again = File::open(dir.path("a"));
    CHECK(read_text(again, 6) == "first ");
    CHECK(read_text(again) == "second");
    CHECK(read_text(again) == "");
  });
}

TEST_CASE("reads and writes at an offset leave the position alone") {
  const TempDir dir;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.read = true, .write = true, .create = true});
    file.write("0123456789");
    file.write_at("ab", 3);
    file.write_at(std::string_view("z"), 12);

    CHECK(text_at(file, 2, 4) == "2ab5");
    CHECK(text_at(file, 10, 9) == std::string("\0\0z", 3));
    CHECK(text_at(file, 13, 9) == "");
    CHECK(read_text(file) == std::string("\0\0z", 3));  // the position is 10
  });
}

TEST_CASE("several pieces are read and written in order") {
  const TempDir dir;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.read = true, .write = true, .create = true});
    const std::array words = {std::string("one "),   std::string(),        std::string("two "),
                              std::string("three "), std::string("four "), std::string("five")};
    std::vector<File::Bytes> pieces;
    for (const std::string& word : words) pieces.push_back(std::as_bytes(std::span(word)));
    file.write(pieces);
    file.write_at(std::span(pieces).first(1), 19);

    std::string head(3, '\0');
    std::string tail(64, '\0');
    const std::array into = {bytes_of(head), bytes_of(tail)};
    CHECK(file.read_at(into, 0) == 23);
    CHECK(head == "one");
    CHECK(tail.substr(0, 20) == " two three four one ");
  });
}

TEST_CASE("more pieces than the system takes at once are all written") {
  const TempDir dir;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.read = true, .write = true, .create = true});
    const std::string letter = "x";
    const std::vector<File::Bytes> pieces(5000, std::as_bytes(std::span(letter)));
    file.write(pieces);
    file.write(std::span<const File::Bytes>());

    CHECK(file.stat().size == 5000);
  });
}

TEST_CASE("the options say what happens to a file that is there, or is not") {
  const TempDir dir;
  dir.write("a", "text");

  test::run([&] {
    File::open(dir.path("a"), {.append = true}).write("+more");
    auto file = File::open(dir.path("a"), {.read = true, .append = true});
    file.write_at("!", 0);
    CHECK(read_text(file) == "text+more!");

    CHECK(File::open(dir.path("a"), {.write = true, .truncate = true}).stat().size == 0);
    CHECK(File::open(dir.path("b"), {.write = true, .exclusive = true, .mode = 0600})
              .stat()
              .permissions() == 0600);
    ::symlink(dir.path("a").c_str(), dir.path("link").c_str());
    CHECK(failure_of([&] { File::open(dir.path("link"), {.no_follow = true}); }) ==
          "open " + dir.path("link") + ": too many symbolic links encountered (ELOOP)");
  });
}

TEST_CASE("an error names the call and the file") {
  const TempDir dir;
  dir.write("a", "text");
  const std::string a = dir.path("a");

  test::run([&] {
    CHECK(failure_of([&] { File::open(dir.path("none")); }) ==
          "open " + dir.path("none") + ": no such file or directory (ENOENT)");
    CHECK(failure_of([&] { File::open(a, {.write = true, .exclusive = true}); }) ==
          "open " + a + ": file already exists (EEXIST)");
    CHECK(failure_of([&] { File::open(dir.path(), {.write = true}); }) ==
          "open " + dir.path() + ": illegal operation on a directory (EISDIR)");
    auto directory = File::open(dir.path());
    CHECK(failure_of([&] { read_text(directory); }) ==
          "read " + dir.path() + ": illegal operation on a directory (EISDIR)");
    auto file = File::open(a);
    CHECK(failure_of([&] { file.write("x"); }) == "write " + a + ": bad file descriptor (EBADF)");
    CHECK(failure_of([&] { file.truncate(3); }) == "truncate " + a + ": invalid argument (EINVAL)");
    auto full = File::open("/dev/full", {.write = true});
    CHECK(failure_of([&] { full.write("x"); }) ==
          "write /dev/full: no space left on device (ENOSPC)");
  });
}

TEST_CASE("what is known of a file can be asked for and changed") {
  const TempDir dir;
  const FileTime accessed(1'000'000'000s + 123'456'789ns);
  const FileTime modified(-2s + 1ns);  // 1969

  test::run([&] {
    auto file = File::open(dir.path("a"), {.write = true, .create = true});
    file.write("0123456789");
    file.truncate(4);
    file.chmod(0640);
    file.chown(::getuid(), ::getgid());
    file.utime(accessed, modified);
    file.sync();
    file.datasync();

    const io::FileStat stat = file.stat();
    CHECK(stat.is_file());
    CHECK(stat.size == 4);
    CHECK(stat.permissions() == 0640);
    CHECK(stat.uid == ::getuid());
    CHECK(stat.accessed == accessed);
    CHECK(stat.modified == modified);
  });
}

TEST_CASE("each operation calls back, later than the call that took the callback") {
  const TempDir dir;
  std::optional<File> file;
  std::string text(8, '\0');
  std::vector<std::string> seen;
  const auto note = [&](const char* what) {
    return [&seen, what](Result<void> result) { seen.push_back(what + result.message()); };
  };

  test::run([&] {
    File::open(dir.path("a"), {.read = true, .write = true, .create = true},
               [&](Result<File> opened) { file = std::move(opened).value(); });
    CHECK_FALSE(file.has_value());
  });
  REQUIRE(file.has_value());
  test::run([&] {
    await<void>([&](Callback<void> done) { file->write("0123", std::move(done)); });
    await<void>([&](Callback<void> done) { file->write_at("ab", 4, std::move(done)); });
    file->truncate(5, note("truncate"));
    file->chmod(0600, note("chmod"));
    file->chown(::getuid(), ::getgid(), note("chown"));
    file->utime({}, {}, note("utime"));
    file->sync(note("sync"));
    file->datasync(note("datasync"));
    CHECK(seen.empty());
    file->close([&](Result<void> result) {
      CHECK(seen.size() == 6);
      note("close")(std::move(result));
    });
  });
  CHECK(seen.size() == 7);
  CHECK(seen.back() == "close");
  CHECK_FALSE(file->is_open());
}

TEST_CASE("reads and stats call back with what they found, or with the error") {
  const TempDir dir;
  dir.write("a", "text");
  std::string text(8, '\0');
  std::string at(2, '\0');
  std::array into = {bytes_of(at)};
  std::vector<std::size_t> counts;
  std::optional<io::FileStat> stat;
  std::optional<std::string> failure;
  const auto count = [&](Result<std::size_t> result) { counts.push_back(result.value()); };

  test::run([&] {
    auto file = File::open(dir.path("a"));
    file.read(bytes_of(text), count);
    file.read_at(into, 2, count);
    file.stat([&](Result<io::FileStat> result) { stat = result.value(); });
    File::open(dir.path("none"), {}, [&](Result<File> result) { failure = result.message(); });
    CHECK(counts.empty());
  });

  CHECK(counts.size() == 2);
  CHECK(text.substr(0, 4) == "text");
  CHECK(at == "xt");
  CHECK(stat->size == 4);
  CHECK(failure == "open " + dir.path("none") + ": no such file or directory (ENOENT)");
}

TEST_CASE("what a program does wrong is a UsageError that says what to do") {
  const TempDir dir;
  dir.write("a", "text");

  test::run([&] {
    CHECK_THROWS_AS(File::open(dir.path("a"), {.truncate = true}), UsageError);
    CHECK_THROWS_AS(File::open(dir.path("a"), {.append = true, .truncate = true}), UsageError);
    CHECK_THROWS_WITH_AS(File::open(std::string("a\0b", 3)),
                         "open: the path has a null character in it", UsageError);
    CHECK_THROWS_AS(File::open(dir.path("a"), {}, Callback<File>()), UsageError);
    auto file = File::open(dir.path("a"));
    CHECK_THROWS_AS(file.read(std::span<std::byte>()), UsageError);
    CHECK_THROWS_AS(file.write_at("x", ~std::uint64_t{0}), UsageError);
    CHECK_THROWS_AS(File::adopt(-1, "none"), UsageError);
    const File other = std::move(file);
    CHECK_THROWS_AS(file.stat(), UsageError);  // NOLINT(bugprone-use-after-move): the subject
    CHECK_FALSE(file.is_open());
  });
  CHECK_THROWS_AS(File::open(dir.path("a")), UsageError);
}

TEST_CASE("a descriptor can be given up and taken over") {
  const TempDir dir;

  test::run([&] {
    auto file = File::open(dir.path("a"), {.read = true, .write = true, .create = true});
    const int fd = file.fd();
    CHECK(file.release() == fd);
    CHECK_FALSE(file.is_open());
    CHECK_THROWS_AS(file.release(), UsageError);
    CHECK(::write(fd, "by hand", 7) == 7);

    auto adopted = File::adopt(fd, "what was opened by hand");
    CHECK(text_at(adopted, 3, 9) == "hand");
    adopted.close();
    CHECK(adopted.fd() == -1);
    CHECK(::fcntl(fd, F_GETFD) == -1);
    CHECK(failure_of([&] { adopted.sync(); }) ==
          "sync what was opened by hand: bad file descriptor (EBADF)");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
