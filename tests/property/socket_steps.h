// Steps over TCP on the loopback, in both styles.
//
// When bytes arrive is nobody's choice, so these have rules of their own: each `done`
// is called once, in its context; bytes arrive in the order and number they were
// sent, whoever reads them; whatever waits ends when its socket does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <weft/ctx/error.h>
#include <weft/io/tcp.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/result.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/fiber_steps.h>
#include <weft/tests/property/world.h>

namespace weft::property {

using Bytes = std::span<const std::byte>;

// What every stream sends, over and over: byte i of a stream is byte i % kPeriod.
inline constexpr std::size_t kPeriod = 251;
// All writes of a program must fit into the kernel's buffers: while one waits for a peer that
// does not read, the virtual clock stands still, and with it whatever would end the program.
inline constexpr std::size_t kWriteMax = 60'000;

inline Bytes bytes_from(std::size_t position, std::size_t count) {
  static const std::vector<std::byte> repeated = [] {
    std::vector<std::byte> bytes(std::size_t{256} * 1024);  // a read brings 64 KiB at most
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i % kPeriod);
    return bytes;
  }();
  return Bytes(repeated).subspan(position % kPeriod, count);
}

inline void receive(World& world, Traffic& traffic, Bytes bytes) {
  const Bytes due = bytes_from(traffic.received, bytes.size());
  require(world, std::equal(bytes.begin(), bytes.end(), due.begin()),
          "bytes are lost, doubled or out of order");
  traffic.received += bytes.size();
}

// A mistake of the program (a second read at a time, a write after shutdown) and a
// socket that is closed are no findings.
template <typename Call>
bool allowed(World& world, Call call) {
  try {
    call();
    return true;
  } catch (const UsageError&) {
  } catch (const std::system_error& error) {
    require(world, std::string(error.what()).find(':') != std::string::npos,
            std::string("an error that says too little: ") + error.what());
  }
  return false;
}

// A callback that io/ takes: called once, unless the call refuses it.
template <typename Start>
void start(World& world, Strand& strand, const Step& step, Start starts) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  plan.is_trigger_known = false;
  const Taking taking(world);
  if (!allowed(world, [&] { starts(plan); })) plan.runs_planned = 0;
}

// A handler: called as often as there is something, at most `runs_max` times.
template <typename Set>
void set_handler(World& world, Strand& strand, const Step& step, unsigned runs_max, Set set) {
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  plan.is_trigger_known = false;
  plan.must_run = false;
  plan.runs_planned = runs_max;
  const Taking taking(world);
  allowed(world, [&] { set(plan); });
}

template <typename Wait>
void wait_for_socket(World& world, Strand& strand, const char* what, Wait wait) {
  if (!strand.may_wait()) return;
  wait_with(world, strand, what, [&] { allowed(world, wait); });
}

inline HeldStream* hold(World& world, io::TcpStream stream) {
  constexpr std::size_t kHeldMax = 6;
  if (world.streams.size() >= kHeldMax || !world.is_running) return nullptr;
  world.streams.push_back(std::make_shared<HeldStream>(HeldStream{std::move(stream)}));
  return world.streams.back().get();
}

// A connection that has something to read from the beginning.
inline void greet(World& world, io::TcpStream peer) {
  constexpr std::size_t kGreetingBytes = 4000;
  HeldStream* const held = hold(world, std::move(peer));
  if (held == nullptr) return;
  held->stream.write(bytes_from(0, kGreetingBytes), Callback<void>());
  held->traffic->sent = kGreetingBytes;
}

inline std::shared_ptr<HeldStream> pick_stream(World& world, const Step& step) {
  return world.streams.empty() ? nullptr : world.streams[step.value % world.streams.size()];
}

inline std::shared_ptr<io::TcpListener> pick_listener(World& world, const Step& step) {
  return world.listeners.empty() ? nullptr : world.listeners[step.value % world.listeners.size()];
}

inline std::uint16_t pick_port(World& world, const Step& step) {
  return world.ports[step.value % world.ports.size()];
}

inline std::shared_ptr<io::TcpListener> listen(World& world) {
  auto listener = std::make_shared<io::TcpListener>(io::TcpListener::bind("127.0.0.1", 0));
  world.ports.push_back(listener->port());
  world.listeners.push_back(listener);
  return listener;
}

inline void close_all(World& world) {
  for (const auto& held : world.streams) held->stream.close();
  for (const auto& listener : world.listeners) listener->close();
}

// What every program with sockets begins with: a server, and the hour it ends.
inline void open_shop(World& world, const Strand& strand) {
  using namespace std::chrono_literals;
  listen(world)->on_connection([&world, context = strand.context.inherited()](io::TcpStream peer) {
    require(world, world.locals.seen() == context, "on_connection: another context");
    greet(world, std::move(peer));
  });
  set_timeout(1h, [&world] {
    close_all(world);
    set_timeout(1h, [&world] {
      world.is_stopped = true;
      Loop::current().stop();
    });
  });
}

inline void do_listen(World& world, Strand& /*strand*/, const Step& /*step*/) {
  constexpr std::size_t kListenersMax = 4;
  if (world.listeners.size() < kListenersMax) listen(world);
}

inline void do_accept(World& world, Strand& strand, const Step& step) {
  const auto listener = pick_listener(world, step);
  if (listener == nullptr) return;
  start(world, strand, step, [&](Plan& plan) {
    listener->accept([&world, &plan](Result<io::TcpStream> peer) {
      if (peer) hold(world, *std::move(peer));
      enter(world, plan, false);
    });
  });
}

inline void do_accept_waiting(World& world, Strand& strand, const Step& step) {
  const auto listener = pick_listener(world, step);
  if (listener == nullptr) return;
  wait_for_socket(world, strand, "accept", [&] { hold(world, listener->accept()); });
}

inline void do_close_listener(World& world, Strand& /*strand*/, const Step& step) {
  if (const auto listener = pick_listener(world, step)) listener->close();
}

inline void do_connect(World& world, Strand& strand, const Step& step) {
  start(world, strand, step, [&](Plan& plan) {
    io::TcpStream::connect("127.0.0.1", pick_port(world, step),
                           [&world, &plan](Result<io::TcpStream> stream) {
                             if (stream) hold(world, *std::move(stream));
                             enter(world, plan, false);
                           });
  });
}

inline void do_connect_waiting(World& world, Strand& strand, const Step& step) {
  const char* const host = step.value % 16 == 0 ? "localhost" : "127.0.0.1";
  wait_for_socket(world, strand, "connect",
                  [&] { hold(world, io::TcpStream::connect(host, pick_port(world, step))); });
}

inline void do_read(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  const auto buffer = std::make_shared<std::vector<std::byte>>(1 + step.value % 5000);
  start(world, strand, step, [&](Plan& plan) {
    held->stream.read(*buffer,
                      [&world, &plan, buffer, traffic = held->traffic](Result<std::size_t> count) {
                        if (count) receive(world, *traffic, Bytes(*buffer).first(*count));
                        enter(world, plan, false);
                      });
  });
}

inline void do_read_waiting(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  std::vector<std::byte> buffer(1 + step.value % 700);
  wait_for_socket(world, strand, "read", [&] {
    for (unsigned reads = 1 + step.value % 4; reads > 0; --reads) {
      const std::size_t count = held->stream.read(buffer);
      receive(world, *held->traffic, Bytes(buffer).first(count));
    }
  });
}

inline void do_on_data(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  set_handler(world, strand, step, ~0U, [&](Plan& plan) {
    held->stream.on_data([&world, &plan, traffic = held->traffic](Bytes bytes) {
      receive(world, *traffic, bytes);
      enter(world, plan, false);
    });
  });
}

inline void do_on_end(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  set_handler(world, strand, step, 1, [&](Plan& plan) {
    held->stream.on_end([&world, &plan] { enter(world, plan, false); });
  });
}

inline void do_on_close(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  set_handler(world, strand, step, 1, [&](Plan& plan) {
    held->stream.on_close([&world, &plan] { enter(world, plan, false); });
  });
}

inline void do_pause(World& world, Strand& /*strand*/, const Step& step) {
  if (const auto held = pick_stream(world, step)) allowed(world, [&] { held->stream.pause(); });
}

inline void do_resume(World& world, Strand& /*strand*/, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  const Taking taking(world);
  allowed(world, [&] { held->stream.resume(); });
}

// Mostly little, sometimes more than a stream buffers.
inline std::size_t write_size(const Step& step) {
  return step.value % 16 == 0 ? kWriteMax : step.value % 3000;
}

inline void do_write(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  const Bytes bytes = bytes_from(held->traffic->sent, write_size(step));
  start(world, strand, step, [&](Plan& plan) {
    held->stream.write(bytes, [&world, &plan](Result<void>) { enter(world, plan, false); });
    held->traffic->sent += bytes.size();
  });
}

// Counts before it waits: others may write meanwhile, behind this one. A write that
// ends without its stream was refused or cancelled before it began.
inline void do_write_waiting(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  const Bytes bytes = bytes_from(held->traffic->sent, write_size(step));
  wait_for_socket(world, strand, "write", [&] {
    held->traffic->sent += bytes.size();
    try {
      held->stream.write(bytes);
    } catch (...) {
      if (!held->stream.is_closing()) held->traffic->sent -= bytes.size();
      throw;
    }
  });
}

inline void do_shutdown(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  start(world, strand, step, [&](Plan& plan) {
    held->stream.shutdown([&world, &plan](Result<void>) { enter(world, plan, false); });
  });
}

inline void do_shutdown_waiting(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  wait_for_socket(world, strand, "shutdown", [&] { held->stream.shutdown(); });
}

inline void do_close_stream(World& world, Strand& /*strand*/, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  const Taking taking(world);
  held->stream.close();
}

inline void do_close_waiting(World& world, Strand& strand, const Step& step) {
  const auto held = pick_stream(world, step);
  if (held == nullptr) return;
  wait_for_socket(world, strand, "wait_closed", [&] {
    held->stream.close();
    held->stream.wait_closed();
  });
}

inline void do_drop_stream(World& world, Strand& /*strand*/, const Step& step) {
  if (world.streams.empty()) return;
  const auto index = static_cast<std::ptrdiff_t>(step.value % world.streams.size());
  world.streams.erase(std::next(world.streams.begin(), index));
}

}  // namespace weft::property
