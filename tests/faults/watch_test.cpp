#include <csignal>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/fs_event.h>
#include <weft/io/signal.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using test::for_each_fault;
using test::Operations;
using test::require_same;

TEST_SUITE_BEGIN("faults/watch");

TEST_CASE("a signal is heard, or it is told why not") {
  for_each_fault("a signal", [](Operations&) {
    auto listener = io::SignalListener::listen({SIGUSR1, SIGUSR2});
    ::raise(SIGUSR2);
    if (listener.wait() != SIGUSR2) throw std::logic_error("another signal");
  });
}

TEST_CASE("a change of a file is seen, or it is told why not") {
  const test::TempDir dir;
  for_each_fault("a watch", [&](Operations&) {
    auto watch = io::FsEvent::watch(dir.path());
    dir.write("file", "new");
    require_same(watch.next().name, "file");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
