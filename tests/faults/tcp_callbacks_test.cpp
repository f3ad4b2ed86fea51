#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/io/tcp.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::for_each_fault;
using test::Operations;

std::exception_ptr as_exception(const Error& error) {
  return std::make_exception_ptr(std::system_error(error.code, error.doing));
}

// One connection, a server's and a client's side of it, by handlers only.
class Echo {
 public:
  explicit Echo(Operations& operations) : operations_(operations) {}

  void run() {
    listener_.emplace(TcpListener::bind("127.0.0.1", 0));
    listener_->on_error([this](const Error& error) {
      operations_.note(as_exception(error));
      // It tries again and again: the third time it is given up.
      if (operations_.noted().size() == 3) operations_.finish();
    });
    listener_->on_connection([this](TcpStream connection) {
      operations_.attempt([&] { serve(std::move(connection)); });
    });
    operations_.start<TcpStream>(
        "connect",
        [&](Callback<TcpStream> done) {
          TcpStream::connect("127.0.0.1", listener_->port(), std::move(done));
        },
        [this](TcpStream client) { ask(std::move(client)); });
    operations_.wait();
    if (operations_.noted().size() < 3) test::require_same(text_, "hello");
  }

 private:
  void serve(TcpStream connection) {
    auto& server = server_.emplace(std::move(connection));
    handle_errors(server);
    server.on_end([&] {
      operations_.start<void>(
          "shutdown of the server's side",
          [&](Callback<void> done) { server.shutdown(std::move(done)); }, [] {});
    });
    server.on_data([&](std::span<const std::byte> bytes) {
      operations_.start<void>(
          "write of the server's side",
          [&](Callback<void> done) { server.write(bytes, std::move(done)); }, [] {});
    });
  }

  void ask(TcpStream connected) {
    auto& client = client_.emplace(std::move(connected));
    handle_errors(client);
    client.on_end([this] { operations_.finish(); });
    client.on_data([this](std::span<const std::byte> bytes) {
      operations_.attempt(
          [&] { text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
    });
    operations_.start<void>(
        "write", [&](Callback<void> done) { client.write("hello", std::move(done)); }, [] {});
    operations_.start<void>(
        "shutdown", [&](Callback<void> done) { client.shutdown(std::move(done)); }, [] {});
  }

  // A stream that ends in any other way than the peer's shutdown closes; this outlives us.
  void handle_errors(TcpStream& stream) {
    stream.on_error([this](const Error& error) { operations_.fail(as_exception(error)); });
    stream.on_close([&operations = operations_] { operations.finish(); });
  }

  Operations& operations_;
  std::string text_;
  std::optional<TcpListener> listener_;
  std::optional<TcpStream> server_;
  std::optional<TcpStream> client_;
};

TEST_SUITE_BEGIN("faults/tcp_callbacks");

TEST_CASE("handlers echo, or are told what failed") {
  for_each_fault("echo by handlers", [](Operations& operations) { Echo(operations).run(); });
}

TEST_CASE("a read by callback ends once") {
  for_each_fault("reads by callback", [](Operations& operations) {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    std::optional<TcpStream> peer;
    std::byte byte{};
    operations.start<TcpStream>(
        "accept", [&](Callback<TcpStream> done) { listener.accept(std::move(done)); },
        [&](TcpStream accepted) {
          peer.emplace(std::move(accepted));
          operations.start<std::size_t>(
              "read",
              [&](Callback<std::size_t> done) { peer->read(std::span(&byte, 1), std::move(done)); },
              [&](std::size_t) { operations.finish(); });
        });
    client.write("x");
    operations.wait();
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
