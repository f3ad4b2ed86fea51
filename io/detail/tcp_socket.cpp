#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <weft/ctx/error.h>
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

void TcpSocket::connect(const io::Address& to, Callback<void> done) {
  connected_to_ = to;
  auto request = std::make_unique<ConnectRequest>(*this);
  request->request.data = request.get();
  request->done.take(Done<void>(done), ResourceAccess::frame(request->resource));
  const int code =
      uv_tcp_connect(&request->request, &handle_, to.raw(), [](uv_connect_t* r, int status) {
        const std::unique_ptr<ConnectRequest> ended(static_cast<ConnectRequest*>(r->data));
        Result<void> result;
        if (status < 0) result = uv_error(status, ended->socket.describe("connect"));
        ended->done.complete(ended->socket.loop(), ended->resource, std::move(result));
      });
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

// One connect by name: looks the name up, then tries its addresses in turn, each
// on a socket of its own. Owns itself until it has called back.
class TcpConnect {
 public:
  TcpConnect(EventLoop& loop, std::string host, std::uint16_t port, Callback<TcpSocketPtr> done)
      : loop_(loop),
        host_(std::move(host)),
        port_(port),
        socket_(new TcpSocket(loop)),
        done_(std::move(done)) {}
  TcpConnect(const TcpConnect&) = delete;
  TcpConnect& operator=(const TcpConnect&) = delete;

  void start() {
    if (const auto address = io::Address::try_parse(host_, port_)) {
      addresses_.push_back(*address);
      return connect_next();
    }
    look_up();
  }

  // A lookup that runs cannot be stopped: it ends on its own, with nobody to tell.
  void cancel() noexcept {
    is_cancelled_ = true;
    socket_->close();
    if (lookup_ == nullptr) return;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));
    std::exchange(done_, {})(uv_error(UV_ECANCELED, describe()));
  }

 private:
  struct Lookup {
    explicit Lookup(AsyncId socket) : resource("GETADDRINFOREQWRAP", {.trigger = socket}) {}

    uv_getaddrinfo_t request;
    AsyncResource resource;
    FrameRef frame = capture();
  };

  void look_up() {
    lookup_ = std::make_unique<Lookup>(socket_->resource().async_id());
    lookup_->request.data = this;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    const int code = uv_getaddrinfo(
        loop_.uv(), &lookup_->request,
        [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
          static_cast<TcpConnect*>(request->data)->looked_up(status, found);
        },
        host_.c_str(), nullptr, &hints);
    if (code == 0) loop_.begin_request();
    if (code < 0) {
      lookup_.reset();
      loop_.add_tick(std::make_unique<Tick>([this, code] { finish(uv_error(code, describe())); },
                                            AsyncResourceOptions{}));
    }
  }

  void looked_up(int status, addrinfo* found) noexcept {
    if (status == 0) status = keep_addresses(found);
    uv_freeaddrinfo(found);
    loop_.end_request();
    const std::unique_ptr<Lookup> lookup = std::move(lookup_);
    loop_.call(lookup->resource, lookup->frame, [&] {
      if (status < 0) return finish(uv_error(status, describe()));
      try_next();
    });
  }

  // Returns libuv's code.
  int keep_addresses(const addrinfo* found) noexcept {
    try {
      for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        addresses_.push_back(io::Address::from_raw(at->ai_addr).with_port(port_));
      }
    } catch (const std::bad_alloc&) {
      return UV_ENOMEM;
    }
    return 0;
  }

  void try_next() {
    if (is_cancelled_ || socket_->is_closing()) return finish(uv_error(UV_ECANCELED, describe()));
    if (next_ == addresses_.size()) return finish(std::move(last_error_));
    try {
      return connect_next();
    } catch (const std::bad_alloc&) {
      last_error_ = uv_error(UV_ENOMEM, describe());
    }
    finish(std::move(last_error_));
  }

  void connect_next() {
    if (next_ > 0) socket_.reset(new TcpSocket(loop_));
    socket_->connect(addresses_[next_++], [this](const Result<void>& result) {
      if (result) return finish({});
      last_error_ = Error{result.error(), socket_->describe("connect")};
      try_next();
    });
  }

  void finish(std::optional<Error> error) {
    const std::unique_ptr<TcpConnect> self(this);
    if (!done_) return;
    if (error) {
      done_(std::move(*error));
    } else {
      done_(std::move(socket_));
    }
  }

  std::string describe() const noexcept {
    return text_or_nothing([&] { return "connect " + host_ + ":" + std::to_string(port_); });
  }

  EventLoop& loop_;
  std::string host_;
  std::uint16_t port_;
  TcpSocketPtr socket_;
  Callback<TcpSocketPtr> done_;
  std::unique_ptr<Lookup> lookup_;  // while it is with libuv
  std::vector<io::Address> addresses_;
  std::size_t next_ = 0;
  Error last_error_;
  bool is_cancelled_ = false;
};

TcpConnect& connect_tcp(EventLoop& loop, std::string host, std::uint16_t port,
                        Callback<TcpSocketPtr> done) {
  if (host.find('\0') != std::string::npos) {
    throw UsageError("connect: the host has a null character in it");
  }
  auto connect = std::make_unique<TcpConnect>(loop, std::move(host), port, std::move(done));
  connect->start();
  return *connect.release();
}

void cancel(TcpConnect& connect) noexcept {
  connect.cancel();
}

}  // namespace weft::detail
