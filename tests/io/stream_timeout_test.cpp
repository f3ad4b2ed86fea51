// The idle timeout of a stream.
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/pipe.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::PipeStream;
using test::read_some;
using test::Trace;
using namespace std::chrono_literals;

// When `fn` was called, counted from now.
class Stopwatch {
 public:
  std::chrono::milliseconds read() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now() - began_);
  }

 private:
  std::chrono::steady_clock::time_point began_ = now();
};

TEST_SUITE_BEGIN("io/stream_timeout");

TEST_CASE("a stream that is silent for the time is told once, in its context, and stays open") {
  AsyncLocal<int> request;
  Trace trace;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    const Stopwatch watch;
    request.run(7, [&, &stream = left] {
      stream.set_timeout(50ms, [&] {
        trace.push_back(std::to_string(request.value()) + " at " +
                        std::to_string(watch.read().count()));
      });
    });
    sleep_for(1s);
    CHECK_FALSE(left.is_closing());
    right.write("x");
    CHECK(read_some(left) == "x");
    sleep_for(1s);
  });

  CHECK(trace == Trace{"7 at 50"});
}

TEST_CASE("what is read and what is written count from anew") {
  std::optional<std::chrono::milliseconds> told;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    const Stopwatch watch;
    left.set_timeout(50ms, [&] { told = watch.read(); });
    sleep_for(40ms);
    left.write("from left");
    sleep_for(40ms);
    left.write(std::array{std::as_bytes(std::span("pieces", 6))}, {});
    sleep_for(40ms);
    right.write("from right");
    CHECK(read_some(left) == "from right");
    sleep_for(1s);
  });

  CHECK(told == 170ms);
}

// Virtual time stands still while a write is under way.
TEST_CASE("a long write counts while the peer takes of it, and no longer") {
  std::optional<std::chrono::milliseconds> told;
  std::chrono::milliseconds taken{0};  // at the latest, before it was told

  test::run(
      [&] {
        auto [left, right] = PipeStream::pair();
        left.write(std::string(16'000'000, 'x'), {});
        sleep_for(1ms);  // the copy has taken long
        const Stopwatch watch;
        left.set_timeout(20ms, [&] { told = watch.read(); });
        std::array<std::byte, 65536> buffer;
        while (watch.read() < 50ms && !told) {
          sleep_for(2ms);
          const auto began = watch.read();
          std::size_t got = 0;  // more than the kernel holds: some is written meanwhile
          while (got < 400'000) got += right.read(buffer);
          if (!told) taken = began;
        }
        while (told == std::nullopt) sleep_for(5ms);
      },
      {.clock = detail::Clock::kReal});

  REQUIRE(told.has_value());
  CHECK(*told - taken >= 20ms);
}

TEST_CASE("another call replaces it, 0 ends it, and a close does") {
  Trace trace;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    left.set_timeout(50ms, [&] { trace.push_back("replaced"); });
    left.set_timeout(100ms, [&] { trace.push_back("second"); });
    sleep_for(1s);
    left.set_timeout(50ms, [&] { trace.push_back("ended"); });
    left.set_timeout(0ms);
    sleep_for(1s);
    left.set_timeout(50ms, [&] { trace.push_back("closed"); });
    left.close();
    sleep_for(1s);
    left.set_timeout(50ms, [&] { trace.push_back("behind the close"); });
    sleep_for(1s);
  });

  CHECK(trace == Trace{"second"});
}

TEST_CASE("the handler may set the next one, and close the stream with an error") {
  Trace trace;

  test::run([&] {
    auto [left, right] = PipeStream::pair();
    const Stopwatch watch;
    left.set_timeout(50ms, [&, &stream = left] {
      trace.push_back("asks at " + std::to_string(watch.read().count()));
      stream.set_timeout(20ms, [&] {
        stream.close({std::make_error_code(std::errc::timed_out), "idle"});
      });
    });
    auto reader = spawn([&, &stream = left] {
      try {
        read_some(stream);
      } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::timed_out);
        trace.push_back("ends at " + std::to_string(watch.read().count()));
      }
    });
    sleep_for(1s);  // the timeout alone moves no clock
    reader.join();
  });

  CHECK(trace == Trace{"asks at 50", "ends at 70"});
}

TEST_CASE("it keeps no loop alive") {
  bool is_told = false;

  test::run([&] {
    auto pair = PipeStream::pair();
    pair.first.set_timeout(50ms, [&] { is_told = true; });
    pair.first.unref();
    set_timeout(10ms, [kept = std::move(pair)] {});
  });

  CHECK_FALSE(is_told);
}

TEST_CASE("a negative time and an empty function are refused") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    CHECK_THROWS_AS(left.set_timeout(-1ms, [] {}), UsageError);
    CHECK_THROWS_AS(left.set_timeout(1ms), UsageError);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
