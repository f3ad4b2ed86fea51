#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/signal.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::SignalListener;
using test::HookRecorder;
using test::seen;
using test::Trace;
using namespace std::chrono_literals;

std::string next(SignalListener& listener) {
  return io::signal_name(listener.wait());
}

std::string listen_error(int signal) {
  std::string text;
  test::run([&] {
    try {
      SignalListener::listen({signal});
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::invalid_argument);
      text = error.what();
    }
  });
  return text;
}

TEST_SUITE_BEGIN("io/signal");

TEST_CASE("a fiber waits for one of several signals and learns which came") {
  Trace trace;

  test::run([&] {
    auto waiter = spawn([&] {
      trace.push_back(io::signal_name(io::wait_signal({SIGUSR1, SIGUSR2})));
    });
    sleep_for(1ms);
    trace.push_back("sent");
    ::raise(SIGUSR2);
    waiter.join();
  });

  CHECK(trace == Trace{"sent", "SIGUSR2"});
}

TEST_CASE("a handler hears each signal until the listener is closed") {
  Trace trace;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1, SIGUSR2});
    listener.ref();
    listener.on_signal([&](int signal) {
      trace.push_back(io::signal_name(signal));
      if (signal == SIGUSR1) return static_cast<void>(::raise(SIGUSR2));
      listener.close();
    });
    listener.on_close([&] { trace.push_back("closed"); });
    ::raise(SIGUSR1);
    listener.wait_closed();
  });

  CHECK(trace == Trace{"SIGUSR1", "SIGUSR2", "closed"});
}

TEST_CASE("every listener of a signal hears it, each in the context of its own calls") {
  const AsyncLocal<std::string> who;
  Trace trace;

  test::run([&] {
    auto first = SignalListener::listen({SIGUSR1});
    auto second = SignalListener::listen({SIGUSR1});
    auto third = SignalListener::listen({SIGUSR1});
    who.run("first", [&] { first.on_signal([&](int) { trace.push_back(seen(who)); }); });
    who.run("second",
            [&] { second.wait([&](const Result<int>&) { trace.push_back(seen(who)); }); });
    who.run("third", [&] {
      spawn([&] {
        third.wait();
        trace.push_back(seen(who));
      });
    });
    sleep_for(1ms);
    who.run("sender", [&] { ::raise(SIGUSR1); });
    sleep_for(1ms);
  });

  std::sort(trace.begin(), trace.end());
  CHECK(trace == Trace{"first", "second", "third"});
}

TEST_CASE("a signal that comes between two waits is not lost, two of one number are one") {
  Trace trace;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1, SIGUSR2});
    for (const int signal : {SIGUSR2, SIGUSR1, SIGUSR2}) {
      ::raise(signal);
      sleep_for(1ms);
    }
    trace.push_back(next(listener));
    trace.push_back(next(listener));
    CHECK_FALSE(move_on_after(1ms, [&] { trace.push_back(next(listener)); }));
  });

  CHECK(trace == Trace{"SIGUSR2", "SIGUSR1"});
}

TEST_CASE("a handler that comes late gets what nobody took, on a tick") {
  Trace trace;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1});
    ::raise(SIGUSR1);
    sleep_for(1ms);
    listener.on_signal([&](int signal) { trace.push_back(io::signal_name(signal)); });
    trace.push_back("set");
    sleep_for(1ms);
  });

  CHECK(trace == Trace{"set", "SIGUSR1"});
}

TEST_CASE("a cancelled wait takes nothing: the next one gets the signal") {
  Trace trace;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1});
    CHECK_FALSE(move_on_after(1ms, [&] { listener.wait(); }));
    ::raise(SIGUSR1);
    trace.push_back(next(listener));
  });

  CHECK(trace == Trace{"SIGUSR1"});
}

TEST_CASE("closing a listener ends its wait with operation_canceled, a later one with EBADF") {
  std::optional<std::error_code> pending;
  std::optional<std::error_code> late;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1, SIGUSR2});
    listener.wait([&](const Result<int>& signal) { pending = signal.error(); });
    listener.close();
    CHECK_FALSE(pending.has_value());
    listener.wait([&](const Result<int>& signal) { late = signal.error(); });
    listener.wait_closed();
  });

  CHECK(pending == std::errc::operation_canceled);
  CHECK(late == std::errc::bad_file_descriptor);
}

TEST_CASE("what cannot be listened for is an error that names the signal") {
  CHECK(listen_error(SIGKILL) == "listen SIGKILL: invalid argument (EINVAL)");
  CHECK(listen_error(SIGSTOP) == "listen SIGSTOP: invalid argument (EINVAL)");
  CHECK(listen_error(0) == "listen signal 0: invalid argument (EINVAL)");
  CHECK(listen_error(1000) == "listen signal 1000: invalid argument (EINVAL)");
  CHECK(listen_error(-1) == "listen signal -1: invalid argument (EINVAL)");
}

TEST_CASE("misuse of a listener says what to do") {
  test::run([&] {
    CHECK_THROWS_WITH_AS(SignalListener::listen({}),
                         "listen: no signal is given; name at least one", UsageError);
    CHECK_THROWS_WITH_AS(
        SignalListener::listen({SIGUSR1, SIGSEGV}),
        "listen SIGSEGV: a fault cannot wait for the loop; set a handler with sigaction(2)",
        UsageError);
    auto listener = SignalListener::listen({SIGUSR1});
    listener.wait([](const Result<int>&) {});
    CHECK_THROWS_WITH_AS(listener.wait(), "wait: another wait is pending; one at a time",
                         UsageError);
    CHECK_THROWS_WITH_AS(listener.on_signal([](int) {}),
                         "on_signal: a wait is pending; use one of the two", UsageError);
  });
}

TEST_CASE("a wait keeps the run alive, a handler does not, and unref is no deadlock") {
  Trace trace;

  test::run([&] {
    spawn([&] {
      auto handled = SignalListener::listen({SIGUSR2});
      handled.on_signal([](int) {});
      auto stay = SignalListener::listen({SIGUSR2});
      stay.unref();
      try {
        stay.wait();
      } catch (const Cancelled&) {
        trace.push_back("the run has ended");
        throw;
      }
    });
    spawn([&] {
      io::wait_signal({SIGUSR1});
      trace.push_back("heard");
    });
    set_timeout(1ms, [] { ::raise(SIGUSR1); });  // when main has ended
  });

  CHECK(trace == Trace{"heard", "the run has ended"});
}

TEST_CASE("SIGPIPE stays ignored when the last listener of it is closed") {
  test::run([&] {
    { const auto listener = SignalListener::listen({SIGUSR1, SIGPIPE}); }
    struct sigaction now;
    REQUIRE(::sigaction(SIGPIPE, nullptr, &now) == 0);
    const bool is_ignored = now.sa_handler == SIG_IGN;
    CHECK(is_ignored);
  });
}

TEST_CASE("a signal that nobody listens for any more does what it does by default") {
  const auto child = test::run_in_child([] {
    test::run([] {
      spawn([] { ::raise(SIGUSR1); });
      io::wait_signal({SIGUSR1});
      ::raise(SIGUSR1);
    });
  });

  CHECK(child.signal == SIGUSR1);
}

// Node's graph test of signals: SIGNALWRAPs of the main script, one callback each.
TEST_CASE("each signal of a listener is a resource whose callback is the signal's") {
  Trace trace;

  test::run([&] {
    HookRecorder recorder({{"FIBER", "TickObject", "Timeout"}});
    auto listener = SignalListener::listen({SIGUSR1, SIGUSR2});
    listener.on_signal([&](int signal) { recorder.note(io::signal_name(signal)); });
    ::raise(SIGUSR2);
    sleep_for(1ms);
    listener.close();
    sleep_for(1ms);
    for (const std::string& line : recorder.trace()) {
      if (line.find(" 1") == std::string::npos || line.find("init") == 0) trace.push_back(line);
    }
  });

  CHECK(trace == Trace{"init SIGNALWRAP 2 1", "init SIGNALWRAP 3 1", "before 3", "SIGUSR2",
                       "after 3", "destroy 3", "destroy 2"});
}

// Goes so deep that the frame of a signal, 1.8 KiB and more, has no room.
[[gnu::noinline]] void with_full_stack(const std::byte* low, UniqueFunction<void()>& fn) {
  volatile char some[128];
  some[0] = 1;
  const auto* const here = static_cast<const std::byte*>(__builtin_frame_address(0));
  if (here - low > 1700) {
    with_full_stack(low, fn);
  } else {
    fn();
  }
  some[1] = some[0];
}

TEST_CASE("a signal is heard while a fiber has no room for it on its stack") {
  const test::ChildResult child = test::run_in_child([] {
    int heard = 0;
    test::run([&] {
      auto listener = SignalListener::listen({SIGUSR1});
      listener.on_signal([&](int) { ++heard; });
      spawn(
          [] {
            UniqueFunction<void()> send = [] { ::kill(::getpid(), SIGUSR1); };
            with_full_stack(detail::runtime_thread.fiber->stack.low, send);
          },
          {.stack_bytes = std::size_t{16} * 1024})
          .join();
      sleep_for(1ms);
    });
    ::_exit(heard == 1 ? 7 : 8);
  });

  CHECK(child.status == 7);
}

TEST_CASE("a signal that was blocked is heard, and blocked again behind the run") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  bool was_heard = false;

  test::run([&] {
    auto listener = SignalListener::listen({SIGUSR1});
    ::kill(::getpid(), SIGUSR1);
    was_heard = move_on_after(1s, [&] { listener.wait(); });
  });

  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, &before, &after);
  CHECK(was_heard);
  CHECK(sigismember(&after, SIGUSR1) == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
