#include <chrono>
#include <csignal>
#include <optional>

#include <doctest/doctest.h>

#include <weft/io/signal.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using io::SignalListener;
using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("conformance/signal");

TEST_CASE("a signal is heard in the context of who listens, not of who sends") {
  reproduce("signal", [](Life& life) {
    std::optional<SignalListener> listener;
    life.run([&] {
      Timeout alive = set_interval(1min, [] {});
      const auto hear = [&, alive](int signal) mutable {
        life.cb("heard-" + io::signal_name(signal));
        listener->close();
        alive.clear();
      };
      life.als.run("A", [&] {
        listener = SignalListener::listen({SIGUSR2});
        listener->on_signal(hear);
      });
      life.als.run("B", [&] {
        set_timeout(1ms, [&] {
          life.cb("sends");
          ::raise(SIGUSR2);
        });
      });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
