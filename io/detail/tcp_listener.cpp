#include <sys/socket.h>

#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/tcp_listener.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {
namespace {

void set_option(int socket, int level, int option, bool on, const std::string& doing) {
  const int value = on ? 1 : 0;
  must_succeed(::setsockopt(socket, level, option, &value, sizeof value), doing);
}

}  // namespace

TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options) {
  const int family = at.is_ipv6() ? AF_INET6 : AF_INET;
  const std::string doing = "listen " + at.to_string();  // first what may throw
  open_standard_descriptors();
  Descriptor socket(
      must_succeed(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), doing));
  TcpServerPtr server(new TcpServer(loop, std::move(socket)));
  server->open(at, options);
  return server;
}

void TcpServer::open(const io::Address& at, const io::ListenOptions& options) {
  const std::string doing = "listen " + at.to_string();
  const int socket = descriptor();
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, true, doing);
  if (options.reuse_port) set_option(socket, SOL_SOCKET, SO_REUSEPORT, true, doing);
  if (at.is_ipv6()) set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only, doing);
  const socklen_t length = at.is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  must_succeed(::bind(socket, at.raw(), length), doing);
  must_succeed(::listen(socket, options.backlog), doing);
  adopt();
}

void TcpServer::adopt() {
  sockaddr_storage bound;
  socklen_t length = sizeof bound;
  auto* const raw = reinterpret_cast<sockaddr*>(&bound);
  must_succeed(::getsockname(descriptor(), raw, &length), "listen");
  address_ = io::Address::from_raw(raw);
  start();
}

Result<StreamPtr> TcpServer::wrap(Descriptor accepted) {
  if (const int code = add_to_poll_set(loop().uv(), accepted.get()); code < 0) {
    return uv_error(code, describe("accept"));
  }
  TcpSocketPtr socket(new TcpSocket(loop(), {.trigger = resource().async_id()}));
  if (const int code = uv_tcp_open(socket->tcp(), accepted.get()); code < 0) {
    return uv_error(code, describe("accept"));
  }
  static_cast<void>(accepted.release());
  socket->remember_peer();
  return StreamPtr(std::move(socket));
}

}  // namespace weft::detail
