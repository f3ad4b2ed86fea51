#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/ctx/error.h>
#include <weft/ctx/snapshot.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

constexpr std::chrono::milliseconds kPauseMin(5);
constexpr std::chrono::milliseconds kPauseMax(1000);

// Errors: what `result`, of a system call just made, says in errno.
void must_succeed(int result, const std::string& doing) {
  if (result < 0) uv_check(uv_translate_sys_error(errno), doing);
}

void set_option(int socket, int level, int option, bool on, const std::string& doing) {
  const int value = on ? 1 : 0;
  must_succeed(::setsockopt(socket, level, option, &value, sizeof value), doing);
}

}  // namespace

TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options) {
  const int family = at.is_ipv6() ? AF_INET6 : AF_INET;
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  must_succeed(socket, "listen " + at.to_string());
  TcpServerPtr server(new TcpServer(loop, socket));
  server->open(at, options);
  return server;
}

TcpServer::TcpServer(EventLoop& loop, int socket) : Handle(loop, "TCPSERVERWRAP"), socket_(socket) {
  uv_must(uv_poll_init(loop.uv(), &handle_, socket));
  set_data();
}

void TcpServer::open(const io::Address& at, const io::ListenOptions& options) {
  const std::string doing = "listen " + at.to_string();
  set_option(socket_, SOL_SOCKET, SO_REUSEADDR, true, doing);
  if (options.reuse_port) set_option(socket_, SOL_SOCKET, SO_REUSEPORT, true, doing);
  if (at.is_ipv6()) set_option(socket_, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only, doing);
  const socklen_t length = at.is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  must_succeed(::bind(socket_, at.raw(), length), doing);
  must_succeed(::listen(socket_, options.backlog), doing);
  sockaddr_storage bound;
  socklen_t bound_length = sizeof bound;
  must_succeed(::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &bound_length), doing);
  address_ = io::Address::from_raw(reinterpret_cast<const sockaddr*>(&bound));
  watch(true);
}

void TcpServer::watch(bool on) noexcept {
  if (is_closing()) return;
  is_watching_ = on;
  // UV_DISCONNECT does not happen to a socket that listens.
  uv_must(uv_poll_start(&handle_, on ? UV_READABLE : UV_DISCONNECT,
                        [](uv_poll_t* handle, int status, int) {
                          static_cast<TcpServer&>(from(handle->data)).is_ready(status);
                        }));
}

void TcpServer::is_ready(int status) {
  const bool was_stopped = status < 0;  // libuv stops watching a socket with an error
  if (!is_wanted()) {
    has_waiting_ = true;
    if (!was_stopped) watch(false);
    return;
  }
  if (was_stopped) watch(true);
  hand_over();  // accept(2) tells the error
}

void TcpServer::hand_over() {
  while (is_wanted() && is_watching_ && !is_closing()) {
    std::optional<Result<TcpSocketPtr>> taken = take();
    if (!taken) return;
    if (accept_) {
      accept_.complete(loop(), resource(), *std::move(taken));
    } else if (*taken) {
      connection_handler_.call(loop(), resource(), (*std::move(taken)).value());
    } else {
      error_handler_.call(loop(), resource(), taken->failure());
    }
  }
}

std::optional<Result<TcpSocketPtr>> TcpServer::take() {
  for (;;) {
    const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) {
      pause_ = {};
      return wrap(socket);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    Error error = uv_error(uv_translate_sys_error(errno), "accept " + address_.to_string());
    pause();
    return Result<TcpSocketPtr>(std::move(error));
  }
}

// As in Node, the accepted socket is a resource triggered by the server's.
Result<TcpSocketPtr> TcpServer::wrap(int accepted) {
  TcpSocketPtr socket(new TcpSocket(loop(), {.trigger = resource().async_id()}));
  if (const int code = uv_tcp_open(socket->tcp(), accepted); code < 0) {
    ::close(accepted);
    return uv_error(code, "accept " + address_.to_string());
  }
  socket->remember_peer();
  return socket;
}

// The timer is nobody's: it must not keep the context of who happened to accept.
void TcpServer::pause() {
  watch(false);
  pause_ = pause_ == std::chrono::milliseconds(0) ? kPauseMin : std::min(2 * pause_, kPauseMax);
  detached([this] { resume_ = set_timeout(pause_, [this] { watch(true); }); });
  if (uv_has_ref(raw()) == 0) resume_.unref();
}

std::optional<Result<TcpSocketPtr>> TcpServer::accept(Done<TcpSocketPtr> done) {
  if (accept_ && !is_closing()) {
    throw UsageError("accept: another accept is pending; one at a time");
  }
  if (connection_handler_) {
    throw UsageError("accept: on_connection() takes what arrives; use one of the two");
  }
  if (is_closing()) {
    return Result<TcpSocketPtr>(uv_error(UV_EBADF, "accept: the listener is closed"));
  }
  if (has_waiting_) {
    has_waiting_ = false;
    watch(true);
    if (auto taken = take()) return taken;
  }
  accept_.take(done);
  return std::nullopt;
}

void TcpServer::cancel_accept() {
  accept_.complete(loop(), resource(), uv_error(UV_ECANCELED, "accept " + address_.to_string()));
}

void TcpServer::on_connection(UniqueFunction<void(TcpSocketPtr)> handler) {
  if (accept_) throw UsageError("on_connection: an accept is pending; use one of the two");
  connection_handler_.set(std::move(handler));
  if (!has_waiting_ || is_closing()) return;
  loop().add_tick(std::make_unique<Tick>(
      [this] {
        if (!has_waiting_ || !connection_handler_ || is_closing()) return;
        has_waiting_ = false;
        watch(true);
        hand_over();
      },
      AsyncResourceOptions{.trigger = resource().async_id()}));
}

void TcpServer::begin_close() noexcept {
  ::close(socket_);
  resume_.clear();
}

void TcpServer::end_pending() noexcept {
  if (accept_) cancel_accept();
}

// A server's close has no callback in Node; its 'close' event is a tick.
void TcpServer::tell_closed(PersistentHandler<>& handler) {
  if (!handler) return;
  handler.call_on_tick(loop(), resource().async_id(), [] { return false; });
  loop().drain();
}

void TcpServer::drop_handlers() noexcept {
  connection_handler_.clear();
  error_handler_.clear();
}

}  // namespace weft::detail
