// No source of a turn keeps the others from theirs: while one is flooded, a timer, a
// signal and another connection are served.
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/pipe.h>
#include <weft/io/serve.h>
#include <weft/io/signal.h>
#include <weft/io/tcp.h>
#include <weft/io/udp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::PipeStream;
using io::TcpListener;
using io::TcpStream;
using namespace std::chrono_literals;

// What a flood goes on for: until all are served, or there is no hope.
class Watched {
 public:
  static constexpr int kHopeless = 4'000;

  Watched() : own_(PipeStream::pair()) {
    timer_ = set_interval(5ms, [this] { ++timer_ticks_; });
    signals_.on_signal([this](int) { is_signalled_ = true; });
    std::raise(SIGUSR2);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() = default;

  // Some of the source came. Takes longer than it takes to come again.
  void served_one() {
    if (!goes_on()) return;
    ++served_;
    const auto end = std::chrono::steady_clock::now() + kWork;
    while (std::chrono::steady_clock::now() < end) {
    }
  }
  bool goes_on() const { return !is_all_served() && served_ < kHopeless; }

  void end_and_check() {
    timer_.clear();
    signals_.close();
    own_.first.close();
    echo_.join();
    other_.join();
    CHECK(timer_ticks_ >= kTicks);
    CHECK(is_signalled_);
    CHECK(answers_ >= kAnswers);
  }

 private:
  static constexpr std::chrono::microseconds kWork{50};
  static constexpr int kTicks = 2;
  static constexpr int kAnswers = 5;

  bool is_all_served() const {
    return timer_ticks_ >= kTicks && is_signalled_ && answers_ >= kAnswers;
  }
  void echo() {
    std::array<std::byte, 1> byte{};
    try {
      while (own_.second.read(byte) > 0) own_.second.write(byte);
    } catch (const std::system_error&) {  // the other end is closed
    }
  }
  void talk() {
    std::array<std::byte, 1> byte{};
    try {
      while (goes_on()) {
        own_.first.write(byte);
        if (own_.first.read(byte) == 0) return;
        ++answers_;
      }
    } catch (const std::system_error&) {  // closed
    }
  }

  std::pair<PipeStream, PipeStream> own_;
  io::SignalListener signals_ = io::SignalListener::listen({SIGUSR2});
  Timeout timer_;
  int timer_ticks_ = 0;
  bool is_signalled_ = false;
  int answers_ = 0;
  int served_ = 0;
  Task<void> echo_ = spawn([this] { echo(); });
  Task<void> other_ = spawn([this] { talk(); });
};

void flood(const std::function<void(Watched&)>& with) {
  test::run(
      [&] {
        Watched watched;
        with(watched);
        watched.end_and_check();
      },
      {.run = {.resume_budget = 64}, .clock = detail::Clock::kReal});
}

void wait_until_served(const Watched& watched) {
  while (watched.goes_on()) sleep_for(1ms);
}

// A peer that has connected when the call returns, and is gone: it waits to be accepted.
void connect_and_leave(const io::Address& to) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(fd, to.raw(), sizeof(sockaddr_in)) == 0);
  ::close(fd);
}

TEST_SUITE_BEGIN("io/starvation");

TEST_CASE("peers that connect faster than a handler serves starve nobody") {
  flood([](Watched& watched) {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const auto serve_one = [&] {
      watched.served_one();
      if (watched.goes_on()) connect_and_leave(listener.address());
    };
    std::optional<Task<void>> server;
    SUBCASE("on_connection") {
      listener.on_connection([&](const TcpStream&) { serve_one(); });
    }
    SUBCASE("accept in a fiber") {
      server = spawn([&] {
        while (watched.goes_on()) {
          const TcpStream peer = listener.accept();
          serve_one();
        }
      });
    }
    connect_and_leave(listener.address());
    wait_until_served(watched);
    if (server) server->join();
  });
}

TEST_CASE("peers that connect faster than a server serves starve nobody") {
  flood([](Watched& watched) {
    io::Server server;
    auto listener = TcpListener::bind("127.0.0.1", 0);
    const io::Address at = listener.address();
    auto task = spawn([&] {
      server.serve(std::move(listener), [&](TcpStream&) {
        watched.served_one();
        if (watched.goes_on()) connect_and_leave(at);
      });
    });
    connect_and_leave(at);
    wait_until_served(watched);
    server.stop();
    task.join();
  });
}

TEST_CASE("datagrams that come faster than they are received starve nobody") {
  flood([](Watched& watched) {
    auto socket = test::udp_socket();
    const auto serve_one = [&] {
      watched.served_one();
      if (watched.goes_on()) socket.send_to("x", socket.local_address(), {});
    };
    std::optional<Task<void>> receiver;
    SUBCASE("on_message") {
      socket.on_message([&](auto, auto&) { serve_one(); });
    }
    SUBCASE("receive in a fiber") {
      receiver = spawn([&] {
        while (watched.goes_on()) {
          test::receive_text(socket);
          serve_one();
        }
      });
    }
    yield();
    socket.send_to("x", socket.local_address());
    wait_until_served(watched);
    if (receiver) receiver->join();
  });
}

TEST_CASE("a stream that is written faster than it is read starves nobody") {
  flood([](Watched& watched) {
    auto [reader, writer] = PipeStream::pair();
    auto writing = [&writer = writer] { writer.write(std::string(100'000, 'x'), {}); };
    const auto serve_one = [&] {
      watched.served_one();
      if (watched.goes_on()) writing();
    };
    std::optional<Task<void>> fiber;
    SUBCASE("on_data") {
      reader.on_data([&](auto) { serve_one(); });
    }
    SUBCASE("read in a fiber") {
      fiber = spawn([&reader = reader, &watched, &serve_one] {
        std::array<std::byte, 64> some{};
        while (watched.goes_on()) {
          reader.read(some);
          serve_one();
        }
      });
    }
    writing();
    wait_until_served(watched);
    if (fiber) fiber->join();
    reader.close();
    writer.close();
  });
}

TEST_CASE("functions that another thread has posted by the thousand starve nobody") {
  flood([](Watched& watched) {
    std::thread([&, loop = Loop::current()] {
      for (int i = 0; i < Watched::kHopeless; ++i) loop.post([&] { watched.served_one(); });
    }).join();
    wait_until_served(watched);
  });
}

TEST_CASE("microtasks, fibers and immediates that make others for ever starve nobody") {
  std::function<void(Watched&)> again;
  SUBCASE("microtasks") {
    again = [&](Watched& watched) {
      watched.served_one();
      if (watched.goes_on()) queue_microtask([&] { again(watched); });
    };
  }
  SUBCASE("fibers") {
    again = [&](Watched& watched) {
      watched.served_one();
      if (watched.goes_on()) spawn([&] { again(watched); });
    };
  }
  SUBCASE("immediates") {
    again = [&](Watched& watched) {
      watched.served_one();
      if (watched.goes_on()) set_immediate([&] { again(watched); });
    };
  }
  SUBCASE("ticks of immediates") {
    again = [&](Watched& watched) {
      watched.served_one();
      if (!watched.goes_on()) return;
      set_immediate([&] { next_tick([&] { again(watched); }); });
    };
  }

  flood([&](Watched& watched) {
    again(watched);
    wait_until_served(watched);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
