// Promises: a reaction, a wait for what is there, and two fibers that answer each other.
#include <optional>

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

// The loop's own stack runs the links of a chain, one after the other, while the fiber waits.
template <typename Link>
double chain(long n) {
  return on_fiber(n, [](long count) {
    Link link{count, {}};
    const auto done = link.done.future();
    link.go();
    done.await();
  });
}

// What a reaction cannot do without: a job.
struct Microtasks {
  long left;
  Promise<void> done;

  void go() {
    weft::queue_microtask([this] { --left > 0 ? go() : done.resolve(); });
  }
};

// Each link is a new promise, a reaction to it, and its resolve.
struct Reactions {
  long left;
  Promise<void> done;

  void go() {
    Promise<long> promise;
    promise.future().then([this](long value) {
      bench::keep(value);
      --left > 0 ? go() : done.resolve();
    });
    promise.resolve(left);
  }
};

// Each link is a reaction to a promise that is settled.
struct Thens {
  long left;
  Promise<void> done;
  Future<long> settled = Future<long>::resolved(1);

  void go() {
    settled.then([this](long value) {
      bench::keep(value);
      --left > 0 ? go() : done.resolve();
    });
  }
};

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
                 {{"floor", "queue_microtask", chain<Microtasks>},
                  {"ours", "promise, then, resolve, reaction", chain<Reactions>},
                  {"ours", "then, reaction", chain<Thens>}});
  rounds.compare("promise await, settled", "ns", {{"ours", "weft", await_settled}});
  rounds.compare("promise ping-pong", "ns", {{"ours", "weft", ping_pong}});
  return rounds.status();
}
