// Promises: a reaction, a wait for what is there, and two fibers that answer each other.
#include <optional>

#include "hooks.h"
#include "rounds.h"
#include <weft/ctx/async_local.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>

namespace {

using weft::Future;
using weft::Promise;

// Runs `body(n)` on a fiber, in a context, as code that serves a request does.
template <typename Body>
double on_fiber(long n, Body body) {
  const weft::AsyncLocal<int> request;
  double ns = 0;
  weft::run([&] { request.run(1, [&] { ns = bench::nanoseconds([&] { body(n); }); }); });
  return ns;
}

// What a reaction cannot do without: a microtask.
double microtask(long n) {
  return on_fiber(n, [](long count) {
    for (long i = 0; i < count; ++i) {
      weft::queue_microtask([&i] { bench::keep(i); });
      weft::yield();
    }
  });
}

double yield_only(long n) {
  return on_fiber(n, [](long count) {
    for (long i = 0; i < count; ++i) weft::yield();
  });
}

// One promise, one reaction, resolved; the yield lets it run.
double reaction(long n) {
  return on_fiber(n, [](long count) {
    for (long i = 0; i < count; ++i) {
      Promise<long> promise;
      promise.future().then([](long value) { bench::keep(value); });
      promise.resolve(i);
      weft::yield();
    }
  });
}

// A chain of reactions, each making the next: what one costs without the switch to the loop.
struct Chain {
  long left;

  void go() {
    Promise<long> promise;
    promise.future().then([this](long value) {
      bench::keep(value);
      if (--left > 0) go();
    });
    promise.resolve(left);
  }
};
double reaction_chain(long n) {
  return on_fiber(n, [](long count) {
    Chain chain{count};
    chain.go();
    while (chain.left > 0) weft::yield();
  });
}

double await_settled(long n) {
  return on_fiber(n, [](long count) {
    const auto future = Future<long>::resolved(1);
    for (long i = 0; i < count; ++i) bench::keep(future.await());
  });
}

// A round: each of two fibers makes a promise, waits for it, and settles the other's.
double ping_pong(long n) {
  return on_fiber(n, [](long count) {
    std::optional<Promise<long>> ping(std::in_place);
    std::optional<Promise<long>> pong(std::in_place);
    auto other = weft::spawn([&] {
      for (long i = 0; i < count; ++i) {
        const long value = ping->future().await();
        ping.emplace();
        pong->resolve(value);
      }
    });
    for (long i = 0; i < count; ++i) {
      ping->resolve(i);
      bench::keep(pong->future().await());
      pong.emplace();
    }
    other.join();
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("promise reaction", "ns",
                 {{"floor", "queue_microtask", microtask},
                  {"ours", "promise, then, resolve, reaction", reaction},
                  {"ours", "the same inside a reaction", reaction_chain},
                  {"loop", "yield", yield_only}});
  rounds.compare("promise await, settled", "ns", {{"ours", "weft", await_settled}});
  rounds.compare("promise ping-pong", "ns", {{"ours", "weft", ping_pong}});
  return rounds.status();
}
