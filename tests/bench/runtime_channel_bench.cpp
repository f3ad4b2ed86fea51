// Channels: a value to another fiber and back, a stream of values, select.
//
// peer/channel.go does the same in Go and prints the same lines.
#include <optional>

#include <boost/fiber/all.hpp>

#include "rounds.h"
#include <weft/runtime/channel.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/select.h>
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
    weft::yield();  // it waits
    ns = bench::nanoseconds([&] {
      there.send(0);
      return_balls(back, there, n);
    });
    back.receive();
    other.join();
  });
  return ns;
}

using BoostRendezvous = boost::fibers::unbuffered_channel<long>;

double boost_ping_pong(long n) {
  BoostRendezvous there;
  BoostRendezvous back;
  const auto return_values = [](BoostRendezvous& in, BoostRendezvous& out, long count) {
    for (long i = 0; i < count; ++i) out.push(in.value_pop() + 1);
  };
  boost::fibers::fiber other([&] { return_values(there, back, n); });
  const double ns = bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      there.push(i);
      back.value_pop();
    }
  });
  other.join();
  return ns;
}

template <typename Receive>
double stream(long n, std::size_t capacity, Receive receive) {
  double ns = 0;
  weft::run([&, n, capacity] {
    Channel<long> channel(capacity);
    auto receiver = weft::spawn([&] { return receive(channel); });
    ns = bench::nanoseconds([&] {
      for (long i = 0; i < n; ++i) channel.send(i);
      channel.close();
      if (receiver.join() != n * (n - 1) / 2) std::abort();
    });
  });
  return ns;
}

long sum_of(Channel<long>& channel) {
  long sum = 0;
  for (const long value : channel) sum += value;
  return sum;
}

// Each value by a select over this channel and another, silent one.
long sum_by_select(Channel<long>& channel) {
  Channel<long> silent(0);
  long sum = 0;
  bool is_open = true;
  const auto add = [&](std::optional<long> value) {
    is_open = value.has_value();
    sum += value.value_or(0);
  };
  while (is_open) weft::select(weft::on_receive(silent, add), weft::on_receive(channel, add));
  return sum;
}

double boost_stream(long n) {
  boost::fibers::buffered_channel<long> channel(128);
  long sum = 0;
  boost::fibers::fiber receiver([&] {
    for (const long value : channel) sum += value;
  });
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) channel.push(i);
    channel.close();
    receiver.join();
    if (sum != n * (n - 1) / 2) std::abort();
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("channel round trip", "ns",
                 {{"floor", "weft yield", yields},
                  {"peer", "Boost.Fiber", boost_ping_pong},
                  {"ours", "weft", ping_pong}});
  rounds.compare("channel stream, room for 128", "ns",
                 {{"peer", "Boost.Fiber", boost_stream},
                  {"ours", "weft", [](long n) { return stream(n, 128, sum_of); }},
                  {"ours", "weft select", [](long n) { return stream(n, 128, sum_by_select); }}});
  rounds.compare("channel stream, rendezvous", "ns",
                 {{"floor", "weft yield", yields},
                  {"ours", "weft", [](long n) { return stream(n, 0, sum_of); }},
                  {"ours", "weft select", [](long n) { return stream(n, 0, sum_by_select); }}});
  return rounds.status();
}
