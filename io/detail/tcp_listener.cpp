#include <sys/socket.h>

#include <weft/ctx/error.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options) {
  TcpServerPtr server(new TcpServer(loop));
  server->open(at, options);
  return server;
}

TcpServer::TcpServer(EventLoop& loop) : Handle(loop, "TCPSERVERWRAP") {
  uv_must(uv_tcp_init(loop.uv(), &handle_));
  set_data();
}

void TcpServer::open(const io::Address& at, const io::ListenOptions& options) {
  const std::string doing = "listen " + at.to_string();
  // The socket must exist before the bind for options that go between the two.
  const int family = at.is_ipv6() ? AF_INET6 : AF_INET;
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  uv_check(socket < 0 ? uv_translate_sys_error(errno) : 0, doing);
  if (const int code = uv_tcp_open(&handle_, socket); code < 0) {
    ::close(socket);
    uv_check(code, doing);
  }
  const int on = 1;
  if (options.reuse_port) {
    const int failed = ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    uv_check(failed != 0 ? uv_translate_sys_error(errno) : 0, doing);
  }
  const unsigned flags = options.ipv6_only ? unsigned{UV_TCP_IPV6ONLY} : 0U;
  uv_check(uv_tcp_bind(&handle_, at.raw(), flags), doing);
  uv_check(uv_listen(reinterpret_cast<uv_stream_t*>(&handle_), options.backlog,
                     [](uv_stream_t* server, int status) {
                       static_cast<TcpServer&>(from(server->data)).arrived(status);
                     }),
           doing);
  sockaddr_storage bound;
  int length = sizeof bound;
  uv_check(uv_tcp_getsockname(&handle_, reinterpret_cast<sockaddr*>(&bound), &length), doing);
  address_ = io::Address::from_raw(reinterpret_cast<const sockaddr*>(&bound));
}

void TcpServer::arrived(int status) {
  if (status < 0) {
    Error error = uv_error(status, "accept " + address_.to_string());
    if (accept_) return accept_.complete(loop(), resource(), std::move(error));
    return error_handler_.call(loop(), resource(), std::move(error));
  }
  has_waiting_ = true;
  if (accept_) {
    accept_.complete(loop(), resource(), take());
  } else if (connection_handler_) {
    Result<TcpSocketPtr> taken = take();
    if (taken) {
      connection_handler_.call(loop(), resource(), std::move(taken).value());
    } else {
      error_handler_.call(loop(), resource(),
                          Error{taken.error(), "accept " + address_.to_string()});
    }
  }
}

// As in Node, the accepted socket is a resource triggered by the server's.
Result<TcpSocketPtr> TcpServer::take() {
  has_waiting_ = false;
  TcpSocketPtr socket(new TcpSocket(loop(), {.trigger = resource().async_id()}));
  const int code = uv_accept(reinterpret_cast<uv_stream_t*>(&handle_),
                             reinterpret_cast<uv_stream_t*>(socket->tcp()));
  if (code < 0) return uv_error(code, "accept " + address_.to_string());
  socket->remember_peer();
  return socket;
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
  if (has_waiting_) return take();
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
        if (has_waiting_ && connection_handler_ && !is_closing()) arrived(0);
      },
      AsyncResourceOptions{.trigger = resource().async_id()}));
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
