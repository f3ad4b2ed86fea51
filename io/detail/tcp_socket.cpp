#include <memory>

#include <weft/io/detail/socket_name.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

struct ConnectRequest {
  explicit ConnectRequest(TcpSocket& of)
      : socket(of), resource("TCPCONNECTWRAP", {.trigger = of.resource().async_id()}) {}

  uv_connect_t request;
  TcpSocket& socket;
  AsyncResource resource;
  Completion<void> done;
};

}  // namespace

TcpSocket::TcpSocket(EventLoop& loop, const AsyncResourceOptions& options)
    : Stream(loop, "TCPWRAP", reinterpret_cast<uv_stream_t*>(&handle_), options) {
  uv_must(uv_tcp_init(loop.uv(), &handle_));
  set_data();
}

void TcpSocket::connect(const io::Address& to, const std::optional<io::Address>& from,
                        Callback<void> done) {
  connected_to_ = to;
  auto request = std::make_unique<ConnectRequest>(*this);
  request->request.data = request.get();
  request->done.take(Done<void>(done), ResourceAccess::frame(request->resource));
  int code = from ? uv_tcp_bind(&handle_, from->raw(), 0) : 0;
  if (code == 0) {
    code = uv_tcp_connect(&request->request, &handle_, to.raw(), [](uv_connect_t* r, int status) {
      const std::unique_ptr<ConnectRequest> ended(static_cast<ConnectRequest*>(r->data));
      Result<void> result;
      if (status < 0) result = uv_error(status, ended->socket.describe("connect"));
      ended->done.complete(ended->socket.loop(), ended->resource, std::move(result));
    });
  }
  if (code < 0) {
    request->done.give_back(Done<void>(done));
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): it was given back
    complete_soon<void>(loop(), resource().async_id(), std::move(done),
                        uv_error(code, describe("connect")));
    return;
  }
  static_cast<void>(request.release());  // libuv's until its callback
}

std::optional<io::Address> TcpSocket::local_address() noexcept {
  return name_of(&handle_, &uv_tcp_getsockname);
}
std::optional<io::Address> TcpSocket::peer_address() noexcept {
  return name_of(&handle_, &uv_tcp_getpeername);
}

std::string TcpSocket::peer_name() {
  const auto address = connected_to_ ? connected_to_ : peer_address();
  return address ? address->to_string() : std::string();
}

}  // namespace weft::detail
