// Timers and ticks, each in the context of the call that set it: ./dev run timers
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <weft/runtime/runtime.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

AsyncLocal<std::string> owner({.name = "owner"});

int usage(std::string_view argument) {
  const bool asked = argument == "--help";
  std::fputs("usage: timers\nSets one timer of each kind.\n", asked ? stdout : stderr);
  return asked ? 0 : 2;
}

void say(const char* what) {
  std::printf("[%s] %s\n", owner.value().c_str(), what);
}

void ticks() {
  next_tick([] { say("next_tick: right after the running code"); });
  queue_microtask([] { say("queue_microtask: behind the ticks"); });
  set_immediate([] { say("set_immediate: in this turn, behind I/O"); });
  sleep_for(10ms);  // the fiber waits, the above run
}

void timeouts() {
  set_timeout(20ms, [] { say("set_timeout: once, 20 ms later"); });
  Timeout never = set_timeout(20ms, [] { say("this one is cleared, so it is never seen"); });
  never.clear();
  set_timeout(1h, [] { say("this one is unref'd, so nothing waits for it"); }).unref();
}

void refresh() {
  Timeout later = set_timeout(80ms, [] { say("set_timeout: refreshed, so 40 ms behind"); });
  set_timeout(100ms, [] { say("set_timeout: 100 ms later"); });
  sleep_for(40ms);
  say("sleep_for: 40 ms later, in the context from before");
  later.refresh();
  sleep_for(160ms);
}

// A callback that stops its own timer needs a handle that outlives it.
void repeat(std::optional<Timeout>& ticker) {
  ticker = set_interval(30ms, [&ticker, left = 3]() mutable {
    say("set_interval: every 30 ms, until cleared");
    if (--left == 0) ticker->clear();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(argv[1]);

  std::optional<Timeout> ticker;
  return run([&ticker] {
    owner.run("ann", ticks);
    owner.run("ben", timeouts);
    owner.run("cleo", refresh);
    owner.run("dan", repeat, ticker);
  });
}
