#include <memory>
#include <sys/socket.h>

#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/socket_name.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/runtime/detail/standard_descriptors.h>
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
  int refused = 0;  // why the socket was closed before it was polled; 0: it was not
};

}  // namespace

TcpSocket::TcpSocket(EventLoop& loop, const AsyncResourceOptions& options)
    : Stream(loop, "TCPWRAP", reinterpret_cast<uv_stream_t*>(&handle_), options) {
  prepare_for_streams(loop.uv());
  uv_must(uv_tcp_init(loop.uv(), &handle_));
  set_data();
}

void TcpSocket::connect(const io::Address& to, const std::optional<io::Address>& from,
                        Callback<void> done) {
  connected_to_ = to;
  auto request = std::make_unique<ConnectRequest>(*this);
  request->request.data = request.get();
  request->done.take(Done<void>(done), ResourceAccess::frame(request->resource));
  open_standard_descriptors();
  int code = from ? uv_tcp_bind(&handle_, from->raw(), 0) : 0;
  if (code == 0) {
    code = uv_tcp_connect(&request->request, &handle_, to.raw(), [](uv_connect_t* r, int status) {
      const std::unique_ptr<ConnectRequest> ended(static_cast<ConnectRequest*>(r->data));
      TcpSocket& socket = ended->socket;
      if (status == UV_ECANCELED && ended->refused < 0) status = ended->refused;
      if (status == 0 && socket.is_connected_to_itself()) status = UV_ECONNREFUSED;
      Result<void> result;
      if (status < 0) result = uv_error(status, socket.describe("connect"));
      ended->done.complete(socket.loop(), ended->resource, std::move(result));
    });
  }
  if (code < 0) {
    request->done.give_back(Done<void>(done));
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): it was given back
    complete_soon<void>(loop(), resource().async_id(), std::move(done),
                        uv_error(code, describe("connect")));
    return;
  }
  request->refused = add_to_poll_set(raw());
  if (request->refused < 0) close();
  static_cast<void>(request.release());  // libuv's until its callback
}

// Where nobody listens at a port that the kernel gives to sockets which connect, it gives
// a socket that very port now and then, and connects it to itself. It is closed by a reset,
// or else the port would be in use for a while.
bool TcpSocket::is_connected_to_itself() noexcept {
  const auto own = local_address();
  if (!own || !connected_to_ || own->port() != connected_to_->port()) return false;
  if (own != peer_address()) return false;
  uv_os_fd_t fd = -1;
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (uv_fileno(raw(), &fd) == 0) {
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
  }
  return true;
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
