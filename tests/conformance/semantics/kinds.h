// Kinds: everything that can call user code, one row each, so that a rule about
// callbacks is tested on all of them at once.
//
//   for (const Kind& kind : kKinds) {
//     test::run([&] { kind.start([&] { ... }); });
//   }
//
// A row's start() makes the callback happen once, by itself, before the run ends. The
// main fiber calls it, and the rows of I/O wait in it until the callback has run.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/event_emitter.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/dns.h>
#include <weft/io/fs.h>
#include <weft/io/fs_event.h>
#include <weft/io/fs_poll.h>
#include <weft/io/process.h>
#include <weft/io/signal.h>
#include <weft/io/tcp.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/udp.h>

namespace weft::test {

struct Kind {
  std::string name;
  std::string_view type;          // of the resource the callback runs in
  std::string_view trigger_type;  // of the resource that caused that one
  void (*start)(UniqueFunction<void()> callback);
};

namespace kinds {

using io::TcpListener;
using io::TcpStream;
using namespace std::chrono_literals;

using Bytes = std::span<const std::byte>;
using Work = UniqueFunction<void()>;

constexpr std::size_t kTooMuch = 16 * 1024 * 1024;

inline void start_interval(Work work) {
  struct Once {
    Timeout& interval;
    ~Once() { std::exchange(interval, Timeout()).clear(); }
  };
  auto interval = std::make_shared<Timeout>();
  *interval = set_interval(1ms, [interval, work = std::move(work)]() mutable {
    const Once once{*interval};
    work();
  });
}

inline void start_resource(Work work) {
  auto job = std::make_shared<AsyncResource>("JOB");
  set_immediate(
      [job, work = std::move(work)]() mutable { job->run_in_async_scope(std::move(work)); });
}

inline void start_emitter(Work work) {
  struct Happens : EventType<> {};
  auto emitter = std::make_shared<EventEmitterAsyncResource<Happens>>("JOB");
  emitter->on<Happens>(std::move(work));
  set_immediate([emitter] { emitter->emit<Happens>(); });
}

inline void start_reaction(Work work) {
  Promise<int> promise;
  promise.future().then([work = std::move(work)](int) mutable { work(); });
  set_immediate([promise = std::move(promise)]() mutable { promise.resolve(1); });
}

// Gives `start` a callback that works once, and waits until it has.
template <typename Start>
void until_called(Work work, Start start) {
  bool called = false;
  start([&called, work = std::move(work)](auto&&...) mutable {
    if (!std::exchange(called, true)) work();
  });
  while (!called) sleep_for(1ms);
}

// Two ends of a connection, kept by the main fiber until the callback has run.
struct Connection {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  TcpStream client = TcpStream::connect("127.0.0.1", listener.port());
  TcpStream server = listener.accept();
  std::array<std::byte, 64> buffer{};
};

// Lets `start` begin one operation, `cause` make it end, and waits until it has.
template <typename Start, typename Cause>
void with_connection(Work work, Start start, Cause cause) {
  Connection connection;
  until_called(std::move(work), [&](auto done) {
    start(connection, std::move(done));
    cause(connection);
  });
}

inline void nothing(Connection& /*connection*/) {}
inline void peer_writes(Connection& connection) {
  connection.client.write("x");
}
inline void peer_closes(Connection& connection) {
  connection.client.close();
}
inline void peer_reads(Connection& connection) {
  std::string part(1024 * 1024, '\0');
  for (std::size_t got = 0; got < kTooMuch;) {
    got += connection.client.read(std::as_writable_bytes(std::span(part)));
  }
}

inline void start_connect(const char* host, Work work) {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  until_called(std::move(work),
               [&](auto done) { TcpStream::connect(host, listener.port(), std::move(done)); });
}

inline void start_on_connection(Work work) {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  listener.on_connection([work = std::move(work)](const TcpStream&) mutable { work(); });
  const auto client = TcpStream::connect("127.0.0.1", listener.port());
  sleep_for(1ms);
}

inline void start_accept(Work work) {
  auto listener = TcpListener::bind("127.0.0.1", 0);
  listener.accept([work = std::move(work)](Result<TcpStream>) mutable { work(); });
  const auto client = TcpStream::connect("127.0.0.1", listener.port());
  sleep_for(1ms);
}

// As with_connection(), with two sockets of UDP.
template <typename Start, typename Cause>
void with_sockets(Work work, Start start, Cause cause) {
  StuckSender sockets;
  until_called(std::move(work), [&](auto done) {
    start(sockets, std::move(done));
    cause(sockets);
  });
}

inline void sends_short(StuckSender& sockets) {
  sockets.socket.send_to("x", sockets.to, {});
}

// The four below: `take` gives the callback to what is watched, which then happens.
template <typename Take>
void with_process(Work work, Take take) {
  auto process = io::Process::spawn({.file = "true"});
  until_called(std::move(work), [&](auto done) { take(process, std::move(done)); });
}

template <typename Take>
void with_signal(Work work, Take take) {
  auto listener = io::SignalListener::listen({SIGUSR1});
  until_called(std::move(work), [&](auto done) {
    take(listener, std::move(done));
    ::raise(SIGUSR1);
  });
}

template <typename Take>
void with_watch(Work work, Take take) {
  const TempDir dir;
  auto watch = io::FsEvent::watch(dir.path());
  until_called(std::move(work), [&](auto done) {
    take(watch, std::move(done));
    dir.write("file", "");
  });
}

template <typename Take>
void with_poll(Work work, Take take) {
  auto poll = io::FsPoll::watch("/nowhere");  // which is a change
  until_called(std::move(work), [&](auto done) { take(poll, std::move(done)); });
}

}  // namespace kinds

inline const Kind kKinds[] = {
    // Timers, ticks, fibers and what a program binds itself.
    {"set_timeout", "Timeout", "FIBER",
     [](kinds::Work w) { set_timeout(std::chrono::milliseconds(1), std::move(w)); }},
    {"set_interval", "Timeout", "FIBER", kinds::start_interval},
    {"set_immediate", "Immediate", "FIBER", [](kinds::Work w) { set_immediate(std::move(w)); }},
    {"next_tick", "TickObject", "FIBER", [](kinds::Work w) { next_tick(std::move(w)); }},
    {"queue_microtask", "Microtask", "FIBER", [](kinds::Work w) { queue_microtask(std::move(w)); }},
    {"spawn", "FIBER", "FIBER", [](kinds::Work w) { spawn(std::move(w)); }},
    {"Loop::post", "POST", "FIBER", [](kinds::Work w) { Loop::current().post(std::move(w)); }},
    {"AsyncResource", "JOB", "FIBER", kinds::start_resource},
    {"Future::then", "PROMISE", "PROMISE", kinds::start_reaction},
    {"EventEmitterAsyncResource", "JOB", "FIBER", kinds::start_emitter},
    // Operations and handlers of TCP.
    {"connect to an address", "TCPCONNECTWRAP", "TCPWRAP",
     [](kinds::Work w) { kinds::start_connect("127.0.0.1", std::move(w)); }},
    {"connect to a name", "TCPCONNECTWRAP", "TCPWRAP",
     [](kinds::Work w) { kinds::start_connect("localhost", std::move(w)); }},
    {"on_connection", "TCPSERVERWRAP", "FIBER", kinds::start_on_connection},
    {"accept", "TCPSERVERWRAP", "FIBER", kinds::start_accept},
    {"read", "TCPWRAP", "TCPSERVERWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) { c.server.read(c.buffer, std::move(done)); },
           kinds::peer_writes);
     }},
    {"on_data", "TCPWRAP", "TCPSERVERWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w), [](kinds::Connection& c, auto done) { c.server.on_data(std::move(done)); },
           kinds::peer_writes);
     }},
    {"on_end", "TickObject", "TCPWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) {
             c.server.on_data([](kinds::Bytes) {});
             c.server.on_end(std::move(done));
           },
           kinds::peer_closes);
     }},
    {"write that the kernel takes at once", "TickObject", "FIBER",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) { c.server.write("x", std::move(done)); },
           kinds::nothing);
     }},
    {"write that the kernel takes later", "WRITEWRAP", "TCPWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) {
             c.server.write(std::string(kinds::kTooMuch, 'x'), std::move(done));
           },
           kinds::peer_reads);
     }},
    {"shutdown", "SHUTDOWNWRAP", "TCPWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) { c.server.shutdown(std::move(done)); },
           kinds::nothing);
     }},
    {"on_close", "TCPWRAP", "TCPSERVERWRAP",
     [](kinds::Work w) {
       kinds::with_connection(
           std::move(w),
           [](kinds::Connection& c, auto done) { c.server.on_close(std::move(done)); },
           [](kinds::Connection& c) { c.server.close(); });
     }},
    // Operations and handlers of UDP.
    {"receive", "UDPWRAP", "FIBER",
     [](kinds::Work w) {
       std::array<std::byte, 8> buffer;
       kinds::with_sockets(
           std::move(w),
           [&](StuckSender& s, auto done) { s.receiver.receive(buffer, std::move(done)); },
           kinds::sends_short);
     }},
    {"on_message", "UDPWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_sockets(
           std::move(w), [](StuckSender& s, auto done) { s.receiver.on_message(std::move(done)); },
           kinds::sends_short);
     }},
    {"send_to that the kernel takes at once", "TickObject", "UDPWRAP",
     [](kinds::Work w) {
       kinds::with_sockets(
           std::move(w),
           [](StuckSender& s, auto done) { s.socket.send_to("x", s.to, std::move(done)); },
           [](StuckSender&) {});
     }},
    {"send_to that the kernel takes later", "UDPSENDWRAP", "UDPWRAP",
     [](kinds::Work w) {
       kinds::with_sockets(
           std::move(w),
           [](StuckSender& s, auto done) { s.socket.send_to(s.text, s.to, std::move(done)); },
           [](StuckSender& s) { s.make_room(); });
     }},
    {"on_close of UDP", "TickObject", "UDPWRAP",
     [](kinds::Work w) {
       kinds::with_sockets(
           std::move(w), [](StuckSender& s, auto done) { s.socket.on_close(std::move(done)); },
           [](StuckSender& s) { s.socket.close(); });
     }},
    // What threads of a pool do.
    {"offload", "OFFLOAD", "FIBER",
     [](kinds::Work w) {
       kinds::until_called(std::move(w), [](auto done) { offload([] {}, std::move(done)); });
     }},
    {"stat", "FSREQCALLBACK", "FIBER",
     [](kinds::Work w) {
       kinds::until_called(std::move(w), [](auto done) { io::stat("/", std::move(done)); });
     }},
    {"lookup", "GETADDRINFOREQWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::until_called(std::move(w),
                           [](auto done) { io::lookup("localhost", {}, std::move(done)); });
     }},
    {"lookup_service", "GETNAMEINFOREQWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::until_called(std::move(w), [](auto done) {
         io::lookup_service(io::Address::parse("127.0.0.1", 80), std::move(done));
       });
     }},
    // Processes, signals and watches.
    {"Process::wait", "PROCESSWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_process(std::move(w),
                           [](io::Process& p, auto done) { p.wait(std::move(done)); });
     }},
    {"on_exit", "PROCESSWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_process(std::move(w),
                           [](io::Process& p, auto done) { p.on_exit(std::move(done)); });
     }},
    {"SignalListener::wait", "SIGNALWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_signal(std::move(w),
                          [](io::SignalListener& l, auto done) { l.wait(std::move(done)); });
     }},
    {"on_signal", "SIGNALWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_signal(std::move(w),
                          [](io::SignalListener& l, auto done) { l.on_signal(std::move(done)); });
     }},
    {"FsEvent::next", "FSEVENTWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_watch(std::move(w), [](io::FsEvent& e, auto done) { e.next(std::move(done)); });
     }},
    {"FsEvent::on_change", "FSEVENTWRAP", "FIBER",
     [](kinds::Work w) {
       kinds::with_watch(std::move(w),
                         [](io::FsEvent& e, auto done) { e.on_change(std::move(done)); });
     }},
    {"on_close of a watch", "TickObject", "FIBER",
     [](kinds::Work w) {
       kinds::with_watch(std::move(w), [](io::FsEvent& e, auto done) {
         e.on_close(std::move(done));
         e.close();
       });
     }},
    {"FsPoll::next", "STATWATCHER", "FIBER",
     [](kinds::Work w) {
       kinds::with_poll(std::move(w), [](io::FsPoll& p, auto done) { p.next(std::move(done)); });
     }},
    {"FsPoll::on_change", "STATWATCHER", "FIBER",
     [](kinds::Work w) {
       kinds::with_poll(std::move(w),
                        [](io::FsPoll& p, auto done) { p.on_change(std::move(done)); });
     }},
};

}  // namespace weft::test
