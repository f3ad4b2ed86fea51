#include <algorithm>

#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/tcp_connect.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/tcp.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {

using weft::detail::ConnectTarget;
using weft::detail::EventLoop;
using weft::detail::StreamAccess;
using weft::detail::TcpSocketPtr;

namespace {

ConnectTarget target_of(std::span<const Address> to, const ConnectOptions& options,
                        const SourceLocation& at) {
  if (to.empty()) throw UsageError("connect: there is no address to connect to");
  return {.addresses = {to.begin(), to.end()}, .options = options, .at = at};
}

}  // namespace

// --- Connecting ---

struct Connecting::State {
  EventLoop* loop = nullptr;
  weft::detail::TcpConnect* attempt = nullptr;  // null: it has ended
};

void Connecting::cancel() {
  if (!is_pending()) return;
  if (state_->loop != weft::detail::runtime_thread.loop) {
    weft::detail::raise_other_thread("cancel");
  }
  weft::detail::cancel(*state_->attempt);
}
bool Connecting::is_pending() const noexcept {
  return state_ != nullptr && state_->attempt != nullptr;
}

// --- TcpStream ---

// Its block is a TcpSocket, unless another kind of stream was moved into it as a Stream.
weft::detail::TcpSocket& TcpStream::socket(const char* what) const {
  return weft::detail::block_as<weft::detail::TcpSocket>(StreamAccess::block(*this, what), what,
                                                         "TCP connection");
}

TcpStream TcpStream::connect_to(ConnectTarget target) {
  weft::detail::TcpConnect* attempt = nullptr;
  return StreamAccess::make<TcpStream>(await<TcpSocketPtr>(
      [&](Callback<TcpSocketPtr> done) {
        attempt = &weft::detail::connect_tcp(EventLoop::current("connect"), std::move(target),
                                             std::move(done));
      },
      [&] { weft::detail::cancel(*attempt); }, "connect"));
}
Connecting TcpStream::connect_to(ConnectTarget target, Callback<TcpStream> done) {
  auto& loop = EventLoop::current("connect");
  auto state = std::make_shared<Connecting::State>();
  state->loop = &loop;
  auto& attempt = weft::detail::connect_tcp(
      loop, std::move(target),
      [done = std::move(done), state](Result<TcpSocketPtr> socket) mutable {
        state->attempt = nullptr;
        if (!done) return;
        socket ? done(StreamAccess::make<TcpStream>(std::move(socket).value()))
               : done(socket.failure());
      });
  state->attempt = &attempt;
  return Connecting(std::move(state));
}

TcpStream TcpStream::connect(std::string_view host, std::uint16_t port, ConnectOptions options,
                             const SourceLocation& at) {
  return connect_to(ConnectTarget{std::string(host), port, {}, options, at});
}
Connecting TcpStream::connect(std::string_view host, std::uint16_t port, ConnectOptions options,
                              Callback<TcpStream> done, const SourceLocation& at) {
  return connect_to(ConnectTarget{std::string(host), port, {}, options, at}, std::move(done));
}
Connecting TcpStream::connect(std::string_view host, std::uint16_t port, Callback<TcpStream> done,
                              const SourceLocation& at) {
  return connect(host, port, ConnectOptions(), std::move(done), at);
}
TcpStream TcpStream::connect(std::span<const Address> to, ConnectOptions options,
                             const SourceLocation& at) {
  return connect_to(target_of(to, options, at));
}
Connecting TcpStream::connect(std::span<const Address> to, ConnectOptions options,
                              Callback<TcpStream> done, const SourceLocation& at) {
  return connect_to(target_of(to, options, at), std::move(done));
}

void TcpStream::set_no_delay(bool on) {
  auto& tcp = socket("set_no_delay");
  weft::detail::uv_check(uv_tcp_nodelay(tcp.tcp(), on ? 1 : 0), tcp.describe("set_no_delay"));
}
void TcpStream::set_keep_alive(bool on, std::chrono::seconds idle) {
  auto& tcp = socket("set_keep_alive");
  if (on && idle < std::chrono::seconds(1)) {
    throw UsageError("set_keep_alive: the idle time is below one second");
  }
  const auto seconds = static_cast<unsigned>(std::clamp<std::int64_t>(idle.count(), 1, 1 << 30));
  weft::detail::uv_check(uv_tcp_keepalive(tcp.tcp(), on ? 1 : 0, seconds),
                         tcp.describe("set_keep_alive"));
}
Address TcpStream::local_address() const {
  if (const auto address = socket("local_address").local_address()) return *address;
  weft::detail::uv_error(UV_ENOTCONN, "local_address").raise();
}
Address TcpStream::peer_address() const {
  if (const auto address = socket("peer_address").peer_address()) return *address;
  weft::detail::uv_error(UV_ENOTCONN, "peer_address").raise();
}

// --- TcpListener ---

TcpListener TcpListener::bind(std::string_view ip, std::uint16_t port, ListenOptions options,
                              const SourceLocation& at) {
  return StreamAccess::make<TcpListener>(weft::detail::made_at(
      at, weft::detail::listen_tcp(EventLoop::current("bind"), Address::parse(ip, port), options)));
}

Address TcpListener::address() const {
  return static_cast<weft::detail::TcpServer&>(block("address")).address();
}

}  // namespace weft::io
