#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/process.h>
#include <weft/io/signal.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using io::ExitStatus;
using io::Process;
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

struct Hearing {
  Life& life;
  Timeout alive = {};
  std::optional<SignalListener> first = {};
  std::optional<SignalListener> second = {};
  std::optional<Process> process = {};
  int times = 0;

  void begin() {
    life.als.run("A", [this] { first = listen([this] { hear(); }); });
    send();
  }
  void send() {
    alive = set_interval(1min, [] {});
    ::raise(SIGUSR2);
  }
  template <typename Handler>
  static SignalListener listen(Handler handler) {
    auto listener = SignalListener::listen({SIGUSR2});
    listener.on_signal([handler](int) { handler(); });
    return listener;
  }
  void hear() {
    life.cb("heard-" + std::to_string(++times));
    alive.clear();
    if (times == 1) return start_process();
    first->close();
    life.als.run("B", [this] { second = listen([this] { hear_again(); }); });
    send();
  }
  void start_process() {
    process = Process::spawn({.file = "true"});
    process->on_exit([this](ExitStatus) { send(); });
  }
  void hear_again() {
    life.cb("heard-again");
    alive.clear();
    second->close();
  }
};

TEST_CASE("what a signal's handler makes has the signal as trigger, the next listener as well") {
  reproduce("signal-again", [](Life& life) {
    Hearing hearing{life};
    life.run([&] { hearing.begin(); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
