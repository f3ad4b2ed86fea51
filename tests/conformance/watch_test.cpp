#include <chrono>
#include <optional>

#include <doctest/doctest.h>

#include <weft/io/fs_event.h>
#include <weft/io/fs_poll.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::FsChange;
using io::FsEvent;
using io::FsPoll;
using io::FsPollChange;
using test::Life;
using test::reproduce;
using test::TempDir;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/watch");

TEST_CASE("who polls a file is called in the context of who asked, not of who writes") {
  const TempDir dir;
  dir.write("file", "x");
  std::optional<FsPoll> poll;

  reproduce("fs-watchfile", [&](Life& life) {
    life.run([&] {
      life.als.run("A", [&] {
        poll = FsPoll::watch(dir.path("file"), {.interval = 20ms});
        poll->on_change([&](const FsPollChange&) {
          life.cb("changed");
          poll->close();
          dir.remove("file");
        });
      });
      set_timeout(50ms, [&] { life.als.run("W", [&] { dir.write("file", "yy"); }); });
    });
  });
}

TEST_CASE("who watches a directory is called as the watch, and on a tick when it is closed") {
  const TempDir dir;
  std::optional<FsEvent> watch;

  reproduce("fs-watch", [&](Life& life) {
    const auto changed = [&](const FsChange& change) {
      life.cb(change.renamed ? "rename" : "change");
      watch->close();
    };
    life.run([&] {
      life.als.run("A", [&] {
        watch = FsEvent::watch(dir.path());
        watch->on_change(changed);
      });
      life.als.run("L", [&] { watch->on_close([&] { life.cb("close"); }); });
      life.als.run("W", [&] { dir.write("file", "x"); });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
