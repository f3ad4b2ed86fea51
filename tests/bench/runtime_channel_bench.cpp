// Channels: a value to another fiber and back, and a stream of values.
#include "rounds.h"
#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace {

using weft::Channel;

[[gnu::noinline]] void yield_times(long n) {
  for (long i = 0; i < n; ++i) weft::yield();
}

// The floor: the two switches of a round trip, with nothing handed over.
double yields(long n) {
  double ns = 0;
  weft::run([n, &ns] {
    auto other = weft::spawn([n] { yield_times(n); });
    ns = bench::nanoseconds([n] { yield_times(n); });
    other.join();
  });
  return ns;
}

// Both sides run the same code, as the fibers of a server do.
[[gnu::noinline]] void return_balls(Channel<long>& in, Channel<long>& out, long n) {
  for (long i = 0; i < n; ++i) out.send(*in.receive() + 1);
}

double ping_pong(long n) {
  double ns = 0;
  weft::run([n, &ns] {
    Channel<long> there(0);
    Channel<long> back(0);
    auto other = weft::spawn([&, n] { return_balls(there, back, n + 1); });
    weft::yield();
    ns = bench::nanoseconds([&] {
      there.send(0);
      return_balls(back, there, n);
    });
    back.receive();
    other.join();
  });
  return ns;
}

double stream(long n, std::size_t capacity) {
  double ns = 0;
  weft::run([n, capacity, &ns] {
    Channel<long> channel(capacity);
    long sum = 0;
    auto receiver = weft::spawn([&] {
      for (const long value : channel) sum += value;
    });
    ns = bench::nanoseconds([&] {
      for (long i = 0; i < n; ++i) channel.send(i);
      channel.close();
      receiver.join();
    });
    if (sum != n * (n - 1) / 2) std::abort();
  });
  return ns;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("channel round trip", "ns",
                 {{"floor", "weft yield", yields}, {"ours", "weft, two rendezvous", ping_pong}});
  rounds.compare("channel stream", "ns",
                 {{"ours", "weft, room for 128", [](long n) { return stream(n, 128); }},
                  {"ours", "weft, rendezvous", [](long n) { return stream(n, 0); }}});
  return rounds.status();
}
