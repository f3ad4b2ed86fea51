#include <algorithm>

#include <weft/io/detail/owner.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/tcp.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

void raise_moved_from(const char* what) {
  throw UsageError(std::string(what) + ": this object was moved from");
}
void raise_other_thread(const char* what) {
  throw UsageError(std::string(what) +
                   ": this object belongs to the loop of another thread; Loop::post() there");
}

}  // namespace weft::detail

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Bytes;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;
using weft::detail::TcpServerPtr;
using weft::detail::TcpSocketPtr;

namespace {

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

// --- TcpStream ---

TcpStream::TcpStream(Block block) noexcept : block_(std::move(block)) {}
TcpStream::TcpStream(TcpStream&&) noexcept = default;
TcpStream& TcpStream::operator=(TcpStream&&) noexcept = default;
TcpStream::~TcpStream() = default;

inline weft::detail::TcpSocket& TcpStream::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

TcpStream TcpStream::connect(std::string_view host, std::uint16_t port) {
  weft::detail::TcpConnect* attempt = nullptr;
  return TcpStream(await<TcpSocketPtr>(
      [&](Callback<TcpSocketPtr> done) {
        attempt = &weft::detail::connect_tcp(EventLoop::current("connect"), std::string(host), port,
                                             std::move(done));
      },
      [&] { weft::detail::cancel(*attempt); }, "connect"));
}

void TcpStream::connect(std::string_view host, std::uint16_t port, Callback<TcpStream> done) {
  weft::detail::connect_tcp(EventLoop::current("connect"), std::string(host), port,
                            [done = std::move(done)](Result<TcpSocketPtr> socket) mutable {
                              if (!done) return;
                              socket ? done(TcpStream(std::move(socket).value()))
                                     : done(socket.failure());
                            });
}

std::size_t TcpStream::read(std::span<std::byte> into) {
  auto& stream = block("read");
  return await_leaf<std::size_t>(
      "read", [&](Done<std::size_t> done) { return stream.read(into, done); },
      [&] { stream.cancel_read(); });
}

void TcpStream::read(std::span<std::byte> into, Callback<std::size_t> done) {
  auto& stream = block("read");
  start_leaf(stream, std::move(done), [&](auto callback) { return stream.read(into, callback); });
}

void TcpStream::write(std::span<const std::span<const std::byte>> pieces) {
  auto& stream = block("write");
  await_leaf<void>(
      "write", [&](Done<void> done) { return stream.write(pieces, false, done); },
      [&] { stream.close(); });
}
void TcpStream::write(std::span<const std::byte> bytes) {
  auto& stream = block("write");
  weft::detail::fiber_that_may_wait("write");
  const int taken = stream.write_now(bytes);
  if (taken > 0 && static_cast<std::size_t>(taken) == bytes.size()) return;
  await_leaf<void>(
      "write", [&](Done<void> done) { return stream.write_more(bytes, taken, false, done); },
      [&] { stream.close(); });
}
void TcpStream::write(std::string_view text) {
  write(bytes_of(text));
}

void TcpStream::write(std::span<const std::span<const std::byte>> pieces, Callback<void> done) {
  auto& stream = block("write");
  start_leaf(stream, std::move(done),
             [&](auto callback) { return stream.write(pieces, true, callback); });
}
void TcpStream::write(std::span<const std::byte> bytes, Callback<void> done) {
  auto& stream = block("write");
  const int taken = stream.write_now(bytes);
  if (!done && taken > 0 && static_cast<std::size_t>(taken) == bytes.size()) return;
  start_leaf(stream, std::move(done),
             [&](auto callback) { return stream.write_more(bytes, taken, true, callback); });
}
void TcpStream::write(std::string_view text, Callback<void> done) {
  write(bytes_of(text), std::move(done));
}

void TcpStream::shutdown() {
  auto& stream = block("shutdown");
  await_leaf<void>(
      "shutdown", [&](Done<void> done) { return stream.shutdown(done); }, [&] { stream.close(); });
}
void TcpStream::shutdown(Callback<void> done) {
  auto& stream = block("shutdown");
  start_leaf(stream, std::move(done), [&](auto callback) { return stream.shutdown(callback); });
}

void TcpStream::close() {
  if (block_ != nullptr) block("close").close();
}
bool TcpStream::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void TcpStream::wait_closed() {
  auto& stream = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return stream.closed(done); },
      [&] { stream.cancel_closed(); });
}

void TcpStream::on_data(UniqueFunction<void(std::span<const std::byte>)> handler) {
  block("on_data").on_data(std::move(handler));
}
void TcpStream::on_end(UniqueFunction<void()> handler) {
  block("on_end").on_end(std::move(handler));
}
void TcpStream::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void TcpStream::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}
void TcpStream::pause() {
  block("pause").pause();
}
void TcpStream::resume() {
  block("resume").resume();
}

void TcpStream::set_no_delay(bool on) {
  auto& stream = block("set_no_delay");
  weft::detail::uv_check(uv_tcp_nodelay(stream.tcp(), on ? 1 : 0), stream.describe("set_no_delay"));
}
void TcpStream::set_keep_alive(bool on, std::chrono::seconds idle) {
  auto& stream = block("set_keep_alive");
  if (on && idle < std::chrono::seconds(1)) {
    throw UsageError("set_keep_alive: the idle time is below one second");
  }
  const auto seconds = static_cast<unsigned>(std::clamp<std::int64_t>(idle.count(), 1, 1 << 30));
  weft::detail::uv_check(uv_tcp_keepalive(stream.tcp(), on ? 1 : 0, seconds),
                         stream.describe("set_keep_alive"));
}
Address TcpStream::local_address() const {
  if (const auto address = block("local_address").local_address()) return *address;
  weft::detail::uv_error(UV_ENOTCONN, "local_address").raise();
}
Address TcpStream::peer_address() const {
  if (const auto address = block("peer_address").peer_address()) return *address;
  weft::detail::uv_error(UV_ENOTCONN, "peer_address").raise();
}
void TcpStream::ref() {
  block("ref").set_referenced(true);
}
void TcpStream::unref() {
  block("unref").set_referenced(false);
}
AsyncId TcpStream::async_id() const {
  return block("async_id").resource().async_id();
}

// --- TcpListener ---

TcpListener::TcpListener(Block block) noexcept : block_(std::move(block)) {}
TcpListener::TcpListener(TcpListener&&) noexcept = default;
TcpListener& TcpListener::operator=(TcpListener&&) noexcept = default;
TcpListener::~TcpListener() = default;

weft::detail::TcpServer& TcpListener::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

TcpListener TcpListener::bind(std::string_view ip, std::uint16_t port, ListenOptions options) {
  return TcpListener(
      weft::detail::listen_tcp(EventLoop::current("bind"), Address::parse(ip, port), options));
}

TcpStream TcpListener::accept() {
  auto& server = block("accept");
  return TcpStream(await_leaf<TcpSocketPtr>(
      "accept", [&](Done<TcpSocketPtr> done) { return server.accept(done); },
      [&] { server.cancel_accept(); }));
}

void TcpListener::accept(Callback<TcpStream> done) {
  weft::detail::require_callback(done, "accept");
  auto& server = block("accept");
  Callback<TcpSocketPtr> to_stream = [done = std::move(done)](Result<TcpSocketPtr> socket) mutable {
    socket ? done(TcpStream(std::move(socket).value())) : done(socket.failure());
  };
  start_leaf(server, std::move(to_stream), [&](auto callback) { return server.accept(callback); });
}

void TcpListener::on_connection(UniqueFunction<void(TcpStream)> handler) {
  UniqueFunction<void(TcpSocketPtr)> to_stream;
  if (handler) {
    to_stream = [handler = std::move(handler)](TcpSocketPtr socket) mutable {
      handler(TcpStream(std::move(socket)));
    };
  }
  block("on_connection").on_connection(std::move(to_stream));
}
void TcpListener::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void TcpListener::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}

void TcpListener::close() {
  if (block_ != nullptr) block("close").close();
}
bool TcpListener::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void TcpListener::wait_closed() {
  auto& server = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return server.closed(done); },
      [&] { server.cancel_closed(); });
}

Address TcpListener::address() const {
  return block("address").address();
}
void TcpListener::ref() {
  block("ref").set_referenced(true);
}
void TcpListener::unref() {
  block("unref").set_referenced(false);
}
AsyncId TcpListener::async_id() const {
  return block("async_id").resource().async_id();
}

}  // namespace weft::io
