#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_resource.h>
#include <weft/io/tcp.h>
#include <weft/runtime/error.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::Life;
using test::reproduce;
using namespace std::chrono_literals;

using Bytes = std::span<const std::byte>;
using Done = Result<void>;

TEST_SUITE_BEGIN("conformance/tcp");

// A server and a client of it. A scenario says what they do; it owns the streams, which outlive
// their callbacks.
struct Scenario {
  Life& life;
  std::optional<TcpListener> listener = {};
  std::optional<TcpStream> server = {};
  std::optional<TcpStream> client = {};

  // Listens, and calls `listening` where Node does: in a tick that the listener triggers.
  template <typename Serve, typename Listening>
  void listen(Serve serve, Listening listening) {
    listener = TcpListener::bind("127.0.0.1", 0);
    listener->on_connection([this, serve](TcpStream connection) {
      server = std::move(connection);
      serve();
    });
    next_tick([id = listener->async_id(), listening] {
      AsyncResource tick("TickObject", {.trigger = id});
      tick.run_in_async_scope(listening);
    });
  }

  // Connects the client, and calls `connected`.
  void connect(const std::function<void()>& connected, const char* host = "127.0.0.1") {
    TcpStream::connect(host, listener->port(), [this, connected](Result<TcpStream> connection) {
      client = std::move(connection).value();
      connected();
    });
  }
};

// Answers the end of the peer's data with an end, and then closes.
void end_and_close(TcpStream& stream) {
  stream.shutdown([&stream](const Done&) { stream.close(); });
}

void ignore_data(TcpStream& stream) {
  stream.on_data([](Bytes) {});
}

struct Echo : Scenario {
  void serve() {
    life.cb("srv-connection");
    server->on_data([this](Bytes bytes) {
      life.cb("srv-data");
      server->write(bytes, [this](const Done&) { life.cb("srv-write-cb"); });
    });
    server->on_end([this] {
      life.cb("srv-end");
      end_and_close(*server);
    });
    server->on_close([this] { life.cb("srv-sock-close"); });
  }

  void talk() {
    life.cb("cli-connect");
    client->write("hi", [this](const Done&) { life.cb("cli-write-cb"); });
    client->on_data([this](Bytes) {
      life.cb("cli-data");
      client->shutdown([this](const Done&) { life.cb("cli-end-cb"); });
    });
    client->on_end([this] {
      life.cb("cli-end");
      client->close();
    });
    client->on_close([this] {
      life.cb("cli-close");
      life.als.run("SRV-CLOSE", [this] { stop(); });
    });
  }

  void stop() {
    listener->on_close([this] { life.cb("srv-close-cb"); });
    listener->close();
  }
};

TEST_CASE("an echo has the resources which Node's has, and the order of their lives") {
  reproduce("tcp-echo", [](Life& life) {
    Echo echo{{life}};
    const auto listening = [&] {
      life.cb("srv-listening");
      life.als.run("CLI", [&] { echo.connect([&] { echo.talk(); }); });
    };
    life.run([&] {
      life.als.run("SRV-LISTEN", [&] { echo.listen([&] { echo.serve(); }, listening); });
    });
  });
}

TEST_CASE("a connect that is given up at once ends its resources and sees its own store") {
  reproduce("tcp-destroy-before-connect", [](Life& life) {
    Scenario scenario{life};
    const auto connect = [&] {
      try {
        TcpStream::connect("127.0.0.1", scenario.listener->port());
        life.cb("never");
      } catch (const Cancelled&) {
        life.cb("close");
        scenario.listener->close();
        throw;
      }
    };
    const auto listening = [&] {
      Task<void> connecting = life.als.run("CLI", [&] { return spawn(connect); });
      queue_microtask([task = std::move(connecting)]() mutable { task.cancel(); });
    };
    const auto serve = [&] {
      life.cb("srv-connection");
      scenario.server->close();
    };
    life.run([&] { scenario.listen(serve, listening); });
  });
}

TEST_CASE("a listener whose address is taken ends its life without a call") {
  reproduce("tcp-eaddrinuse", [](Life& life) {
    Scenario scenario{life};
    const auto listen_again = [&] {
      try {
        TcpListener::bind("127.0.0.1", scenario.listener->port());
      } catch (const std::system_error& error) {
        if (error.code() == std::errc::address_in_use) life.cb("error-EADDRINUSE");
        scenario.listener->close();
      }
    };
    const auto listening = [&] { life.als.run("B", listen_again); };
    life.run([&] { scenario.listen([] {}, listening); });
  });
}

struct EnterWithInData : Scenario {
  int events = 0;
  int answers = 0;

  void serve() {
    life.cb("conn");
    server->on_data([this](Bytes) {
      life.cb("data" + std::to_string(++events));
      life.als.enter_with("E" + std::to_string(events));
      server->write("x", {});
    });
    server->on_end([this] {
      life.cb("end");
      end_and_close(*server);
    });
    server->on_close([] {});
  }

  void talk() {
    client->write("a", {});
    client->on_data([this](Bytes) {
      if (++answers < 3) return client->write("b", {});
      client->shutdown([](const Done&) {});
    });
    client->on_end([this] { client->close(); });
    client->on_close([this] { listener->close(); });
  }
};

TEST_CASE("what one data event enters is not seen by the next") {
  reproduce("tcp-enterwith-in-data", [](Life& life) {
    EnterWithInData scenario{{life}};
    const auto listening = [&] { scenario.connect([&] { scenario.talk(); }); };
    life.run([&] { scenario.listen([&] { scenario.serve(); }, listening); });
  });
}

struct CloseOrder : Scenario {
  void serve() {
    ignore_data(*server);
    server->on_end([this] { end_and_close(*server); });
    server->on_close([] {});
  }

  void talk() {
    life.cb("connect");
    life.als.run("END", [this] {
      client->write("bye", {});
      client->shutdown([this](const Done&) { life.cb("finish-cb"); });
    });
    life.als.run("LISTENERS", [this] { set_handlers(); });
  }

  void set_handlers() {
    ignore_data(*client);
    client->on_end([this] {
      life.cb("end");
      client->close();
    });
    client->on_close([this] {
      life.cb("close");
      listener->close();
    });
  }
};

TEST_CASE("a stream is closed in a callback of its own, and destroyed behind it") {
  reproduce("tcp-handle-close-order", [](Life& life) {
    CloseOrder scenario{{life}};
    const auto listening = [&] {
      life.als.run("CONNECT", [&] { scenario.connect([&] { scenario.talk(); }); });
    };
    life.run([&] { scenario.listen([&] { scenario.serve(); }, listening); });
  });
}

struct ByName : Scenario {
  void serve() {
    server->shutdown([](const Done&) {});
    ignore_data(*server);
    server->on_end([this] { server->close(); });
    server->on_close([] {});
  }

  void talk() {
    life.cb("connect");
    ignore_data(*client);
    client->on_end([this] { end_and_close(*client); });
    client->on_close([this] {
      life.cb("close");
      listener->close();
    });
  }
};

TEST_CASE("a connect by name looks the name up first; the stream triggers both") {
  reproduce("tcp-hostname", [](Life& life) {
    ByName scenario{{life}};
    const auto listening = [&] {
      life.als.run("CLI", [&] { scenario.connect([&] { scenario.talk(); }, "localhost"); });
    };
    life.run([&] { scenario.listen([&] { scenario.serve(); }, listening); });
  });
}

// The first connection is served by handlers, the second by a fiber.
struct RunInConnection : Scenario {
  int connections = 0;

  void serve() {
    life.als.run("REQ" + std::to_string(++connections),
                 [this] { connections == 1 ? serve_with_handlers() : serve_with_fiber(); });
  }

  void serve_with_handlers() {
    server->on_data([this](Bytes) {
      life.cb("on-data");
      server->write("x", {});
      server->shutdown([this](const Done&) { life.cb("end-cb"); });
    });
    server->on_end([this] { server->close(); });
    server->on_close([this] { life.cb("on-close"); });
    set_timeout(1ms, [this] { life.cb("timer"); });
  }

  void serve_with_fiber() {
    spawn([this, stream = std::move(*server)]() mutable {
      std::array<std::byte, 16> buffer;
      while (stream.read(buffer) > 0) {
        life.cb("for-await-chunk");
        stream.write("x");
        stream.shutdown();
      }
      life.cb("for-await-done");
      stream.close();
      stream.wait_closed();
    });
    listener->close();
  }

  void talk(const std::function<void()>& next) {
    connect([this, next] {
      set_timeout(10ms, [this] { client->write("a", {}); });
      ignore_data(*client);
      client->on_end([this] { end_and_close(*client); });
      client->on_close(next);
    });
  }
};

TEST_CASE("the store of a connection reaches its handlers, and the fiber that serves it") {
  reproduce("tcp-run-in-connection", [](Life& life) {
    RunInConnection scenario{{life}};
    const auto listening = [&] { scenario.talk([&] { scenario.talk([] {}); }); };
    life.run([&] { scenario.listen([&] { scenario.serve(); }, listening); });
  });
}

// Only the client shows.
struct LargeWrites : Scenario {
  const std::string large = std::string(std::size_t{16} * 1024 * 1024, 'x');

  void serve() {
    ignore_data(*server);
    listener->close();
  }

  void talk() {
    life.als.run("SMALL", [this] { write_small(); });
    life.als.run("WRITE", [this] { write_large(); });
    life.als.run("QUEUED", [this] { write_behind(); });
    client->on_close([this] { life.cb("close"); });
  }

  void write_small() {
    client->write("x", [this](const Done&) { life.cb("small-write-cb"); });
    life.cb("small-ret=true");
  }

  void write_large() {
    client->write(large, [this](const Done&) { life.cb("write-cb"); });
    life.cb("write-ret=false");
  }

  void write_behind() {
    client->write(large, [this](const Done&) {
      life.cb("queued-write-cb");
      client->close();
    });
  }
};

TEST_CASE("a write the kernel does not take at once is a request which the stream triggers") {
  reproduce("tcp-write-large", [](Life& life) {
    LargeWrites scenario{{life}};
    const auto connect = [&] {
      life.als.run("CLI", [&] { scenario.connect([&] { scenario.talk(); }); });
    };
    life.run([&] {
      life.hidden([&] { scenario.listen([&] { scenario.serve(); }, [] {}); });
      set_immediate(connect);
    });
  });
}

struct TwoConnections : Scenario {
  int connections = 0;

  void serve() {
    const std::string number = std::to_string(++connections);
    life.als.enter_with("CONN" + number);
    life.cb("conn" + number);
    server->on_data([this, number](Bytes) { life.cb("data" + number); });
    server->on_end([this] { end_and_close(*server); });
    server->on_close([] {});
  }

  void talk(const std::function<void()>& next) {
    connect([this, next] {
      client->write("x", {});
      client->shutdown([](const Done&) {});
      ignore_data(*client);
      client->on_end([this] { client->close(); });
      client->on_close(next);
    });
  }
};

TEST_CASE("what the handler of one connection enters does not reach the next connection") {
  reproduce("tcp-two-connections", [](Life& life) {
    TwoConnections scenario{{life}};
    const auto stop = [&] { scenario.listener->close(); };
    const auto listening = [&] { scenario.talk([&] { scenario.talk(stop); }); };
    life.run([&] { scenario.listen([&] { scenario.serve(); }, listening); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
