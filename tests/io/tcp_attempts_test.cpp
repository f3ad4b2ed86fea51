#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/ctx/hooks.h>
#include <weft/io/tcp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/ports.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Address;
using io::TcpListener;
using io::TcpStream;
using test::closed_port;
using test::seen;
using test::SilentPort;
using test::Trace;
using namespace std::chrono_literals;

using Addresses = std::vector<Address>;

// Virtual time stands still while a connect is under way, so what is slow takes real time.
template <typename Body>
void run_in_real_time(Body body) {
  test::run(body, {.clock = detail::Clock::kReal});
}
const io::ConnectOptions kAtOnce{.attempt_delay = 0ms};  // as soon as may be: 10 ms

TEST_SUITE_BEGIN("io/tcp_attempts");

TEST_CASE("an address that refuses is followed by the next one at once") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const Addresses addresses{Address::parse("127.0.0.1", closed_port()), listener.address()};
    const auto before = now();

    auto stream = TcpStream::connect(addresses);

    CHECK(stream.peer_address() == listener.address());
    CHECK(now() - before < 250ms);
  });
}

TEST_CASE("an address that does not answer does not hold up the next one, and is given up") {
  run_in_real_time([] {
    const SilentPort silent;
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const Addresses addresses{silent.address(), silent.address(), listener.address()};

    auto stream = TcpStream::connect(addresses, kAtOnce);

    CHECK(stream.peer_address() == listener.address());
  });
}

// The error names the address tried last.
TEST_CASE("the families of the addresses take turns, beginning with that of the first") {
  test::run([] {
    const std::uint16_t port = closed_port();
    const Addresses addresses{Address::parse("127.0.0.1", port), Address::parse("127.0.0.2", port),
                              Address::parse("::1", port)};

    CHECK_THROWS_WITH_AS(
        TcpStream::connect(addresses),
        ("connect 127.0.0.2:" + std::to_string(port) + ": connection refused (ECONNREFUSED)")
            .c_str(),
        std::system_error);
  });
}

TEST_CASE("the callback of a connect to several addresses is called once, in its context") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const auto refused = Address::parse("127.0.0.1", closed_port());
    const auto connect = [&](const Addresses& addresses) {
      TcpStream::connect(addresses, {}, [&](Result<TcpStream> stream) {
        trace.push_back((stream ? "connected " : "failed ") + seen(who));
      });
    };
    who.run("first", [&] { connect({refused, refused, listener.address()}); });
    trace.push_back("returned");
    listener.accept();
    who.run("second", [&] { connect({refused, refused}); });
  });

  CHECK(trace == Trace{"returned", "connected first", "failed second"});
}

TEST_CASE("a cancelled fiber ends all its attempts") {
  Trace trace;

  run_in_real_time([&] {
    const SilentPort silent;
    const Addresses addresses(2, silent.address());
    int attempts = 0;
    auto hook = create_hook({.init = [&](AsyncId, std::string_view type, AsyncId, AsyncResource&) {
      attempts += type == "TCPCONNECTWRAP" ? 1 : 0;
    }});
    hook.enable();
    auto task = spawn(
        [&] { trace.push_back(test::outcome([&] { TcpStream::connect(addresses, kAtOnce); })); });
    while (attempts < 2) sleep_for(1ms);

    task.cancel();
    task.join();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a connect that is cut is cut also when another of its attempts has failed") {
  run_in_real_time([] {
    const SilentPort silent;
    const Addresses addresses{silent.address(), Address::parse("127.0.0.1", closed_port())};

    CHECK_FALSE(move_on_after(200ms, [&] { TcpStream::connect(addresses, kAtOnce); }));
  });
}

TEST_CASE("a deadline ends a connect that nobody answers") {
  run_in_real_time([] {
    const SilentPort silent;

    CHECK_FALSE(
        move_on_after(30ms, [&] { TcpStream::connect(Addresses(2, silent.address()), kAtOnce); }));
  });
}

TEST_CASE("a connect that calls back is cancelled by what the call returns") {
  Trace trace;

  run_in_real_time([&] {
    const SilentPort silent;
    auto connecting = TcpStream::connect(
        Addresses(2, silent.address()), kAtOnce,
        [&](Result<TcpStream> stream) { trace.push_back(error_name(stream.error())); });
    auto copy = connecting;
    CHECK(connecting.is_pending());
    sleep_for(20ms);
    copy.cancel();
    connecting.cancel();  // does nothing
    trace.push_back("cancel returned");
    while (connecting.is_pending()) yield();
    copy.cancel();
    CHECK_NOTHROW(io::Connecting().cancel());
  });

  CHECK(trace == Trace{"cancel returned", "ECANCELED"});
}

TEST_CASE("a connect that has ended is not cancelled") {
  std::optional<TcpStream> connected;

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto connecting = TcpStream::connect(
        "127.0.0.1", listener.port(),
        [&](Result<TcpStream> stream) { connected = std::move(stream).value(); });
    auto server = listener.accept();
    while (connecting.is_pending()) yield();
    connecting.cancel();
    CHECK_FALSE(connected->is_closing());
    connected.reset();
  });
}

TEST_CASE("a connect that nobody answers in time fails with timed_out, in both styles") {
  Trace trace;

  run_in_real_time([&] {
    const SilentPort silent;
    const Addresses addresses(2, silent.address());
    TcpStream::connect(addresses, {.attempt_delay = 10ms, .timeout = 20ms},
                       [&](Result<TcpStream> stream) { trace.push_back(stream.message()); });
    try {
      TcpStream::connect(addresses, {.timeout = 40ms});
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::timed_out);
      trace.push_back(error.what());
    }
    CHECK_THROWS_AS(TcpStream::connect(addresses, {.timeout = -1ms}), UsageError);
  });

  REQUIRE(trace.size() == 2);
  CHECK(trace[0].starts_with("connect 127.0.0.1:"));
  CHECK(trace[0].ends_with(": connection timed out (ETIMEDOUT)"));
  CHECK(trace[1] == trace[0]);
}

TEST_CASE("a run that stops ends the attempts, begins none, and calls back once") {
  Trace trace;
  std::optional<SilentPort> silent;

  test::run([&] {
    silent.emplace();
    TcpStream::connect(Addresses(3, silent->address()), {}, [&](Result<TcpStream> stream) {
      trace.push_back(stream.error() == std::errc::operation_canceled ? "cancelled" : "other");
    });
    Loop::current().stop();
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a connection comes from the local address that is asked for") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const io::ConnectOptions options{.local_address = Address::parse("127.0.0.3", 0)};

    auto client = TcpStream::connect("127.0.0.1", listener.port(), options);
    auto server = listener.accept();

    CHECK(client.local_address().ip() == "127.0.0.3");
    CHECK(server.peer_address() == client.local_address());
  });
}

TEST_CASE("a local address which the machine does not have is an error") {
  test::run([] {
    const io::ConnectOptions options{.local_address = Address::parse("192.0.2.1", 0)};

    CHECK_THROWS_WITH_AS(TcpStream::connect("127.0.0.1", 1, options),
                         "connect 127.0.0.1:1: address not available (EADDRNOTAVAIL)",
                         std::system_error);
  });
}

TEST_CASE("connecting to no address is a usage error") {
  test::run([] {
    CHECK_THROWS_AS(TcpStream::connect(Addresses()), UsageError);
    CHECK_THROWS_AS(TcpStream::connect(Addresses(), {}, nullptr), UsageError);
  });
}

TEST_CASE("each attempt is a stream of its own, which what ended the one before triggers") {
  test::HookRecorder recorder({{"FIBER", "TickObject"}});

  test::run([&] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const Addresses addresses{Address::parse("127.0.0.1", closed_port()), listener.address()};
    recorder.take();
    TcpStream::connect(addresses, {}, [&](Result<TcpStream>) { recorder.note("connected"); });
    listener.accept();
  });

  const Trace& trace = recorder.trace();
  CHECK(Trace(trace.begin(), trace.begin() + 7) ==
        Trace{"init TCPWRAP 4 0", "init Timeout 5 0", "init TCPCONNECTWRAP 6 4", "before 6",
              "init TCPWRAP 7 6", "init TCPCONNECTWRAP 8 7", "after 6"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
