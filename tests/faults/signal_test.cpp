#include <csignal>
#include <stdexcept>

#include <doctest/doctest.h>

#include <weft/io/signal.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using test::for_each_fault;
using test::Operations;

TEST_SUITE_BEGIN("faults/signal");

TEST_CASE("a signal is heard, or it is told why not") {
  for_each_fault("a signal", [](Operations&) {
    auto listener = io::SignalListener::listen({SIGUSR1, SIGUSR2});
    ::raise(SIGUSR2);
    if (listener.wait() != SIGUSR2) throw std::logic_error("another signal");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
