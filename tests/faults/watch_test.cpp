#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/fs.h>
#include <weft/io/fs_event.h>
#include <weft/io/fs_poll.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::FsChange;
using io::FsEvent;
using io::FsPoll;
using io::FsPollChange;
using test::for_each_fault;
using test::on_threads;
using test::Operations;
using namespace std::chrono_literals;

// What the watched directory's owner does: none of its calls fails.
void make_file(const test::TempDir& dir) {
  const test::Unwatched other;
  dir.write("new", "text");
  dir.rename("new", "file");
}

void remove_file(const test::TempDir& dir) {
  const test::Unwatched other;
  dir.remove("file");
}

// A look that fails is told as a change.
void require_no_file(const FsPollChange& change) {
  if (!change.error) throw std::logic_error("a file that is not there");
  if (change.error != std::errc::no_such_file_or_directory) throw std::system_error(change.error);
}

void require_file(const FsPollChange& change) {
  if (change.error) throw std::system_error(change.error);
  if (change.current.size != 4) throw std::logic_error("another file");
}

TEST_SUITE_BEGIN("faults/watch");

TEST_CASE("changes in a directory are seen, or it is told why not") {
  const test::TempDir dir;
  for_each_fault("a watch", [&](Operations&) {
    auto watch = FsEvent::watch(dir.path());
    make_file(dir);
    const FsChange change = watch.next();
    if (change.name != "new" && !change.overflowed) throw std::logic_error("another change");
    watch.close();
    watch.wait_closed();
  });
}

TEST_CASE("a handler of changes is called, or it is told why not") {
  const test::TempDir dir;
  for_each_fault("a handler of changes", [&](Operations& operations) {
    remove_file(dir);
    auto watch = FsEvent::watch(dir.path());
    auto same = FsEvent::watch(dir.path());
    int told = 0;
    const auto note = [&](const FsChange&) {
      if (++told == 2) operations.finish();
    };
    bool is_told[2] = {};
    watch.on_change([&](FsChange) {
      if (!std::exchange(is_told[0], true)) note({});
    });
    same.on_change([&](FsChange) {
      if (!std::exchange(is_told[1], true)) note({});
    });
    watch.on_error([&](Error error) { operations.attempt([&] { error.raise(); }); });
    make_file(dir);
    operations.wait();
  });
}

TEST_CASE("a file that comes is noticed by looking again and again") {
  const test::TempDir dir;
  for_each_fault(
      "a poll",
      [&](Operations&) {
        remove_file(dir);
        auto poll = FsPoll::watch(dir.path("file"), {.interval = 1ms});
        require_no_file(poll.next());
        make_file(dir);
        require_file(poll.next());
      },
      on_threads());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
