#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <sys/socket.h>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/socket_name.h>
#include <weft/io/detail/stream.h>
#include <weft/io/detail/udp_socket.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

constexpr std::size_t kDatagramBytes = std::size_t{64} * 1024;  // libuv's, of each in a batch
constexpr std::size_t kBatchMax = 20;                           // libuv's

// Addresses as libuv wants them, terminated.
std::string checked_ip(std::string_view ip) {
  static_cast<void>(io::Address::parse(ip, 0));
  return std::string(ip);
}

// Nothing: one the kernel picks.
std::optional<std::string> checked_interface(std::string_view ip) {
  return ip.empty() ? std::nullopt : std::optional(checked_ip(ip));
}

const char* or_null(const std::optional<std::string>& text) noexcept {
  return text ? text->c_str() : nullptr;
}

}  // namespace

UdpSocket::UdpSocket(EventLoop& loop, io::UdpFamily family, bool is_batched)
    : Handle(loop, "UDPWRAP"), family_(family) {
  const unsigned domain = family == io::UdpFamily::kIpv6 ? AF_INET6 : AF_INET;
  open_standard_descriptors();
  open_code_ = uv_udp_init_ex(loop.uv(), &handle_, is_batched ? domain | UV_UDP_RECVMMSG : domain);
  // The block is closed as any other, so it needs a handle in any case.
  if (open_code_ < 0) uv_must(uv_udp_init(loop.uv(), &handle_));
  set_data();
  if (open_code_ == 0) open_code_ = add_to_poll_set(raw());
}

UdpSocketPtr UdpSocket::open(EventLoop& loop, io::UdpFamily family, const io::UdpOptions& options,
                             const std::string& doing) {
  const std::size_t batch_max = options.batch_max;
  if (batch_max < 1 || batch_max > kBatchMax) {
    throw UsageError(doing + ": batch_max is not between 1 and 20");
  }
  UdpSocketPtr socket(new UdpSocket(loop, family, batch_max > 1));
  uv_check(socket->open_code_, doing);
  if (batch_max == 1) return socket;
  socket->held_.reserve(batch_max);
  socket->arena_bytes_ = batch_max * kDatagramBytes;
  // Not filled: a page that no datagram reaches costs nothing.
  socket->arena_.reset(new std::byte[socket->arena_bytes_]);
  return socket;
}

UdpSocket::UdpSocket(Stream& received_over)
    : Handle(received_over.loop(), "UDPWRAP", {.trigger = received_over.resource().async_id()}) {
  uv_must(uv_udp_init(loop().uv(), &handle_));
  set_data();
}

UdpSocketPtr UdpSocket::receive_from(Stream& pipe) {
  UdpSocketPtr socket(new UdpSocket(pipe));
  uv_check(pipe.accept_into(reinterpret_cast<uv_stream_t*>(&socket->handle_)),
           pipe.describe("take_handle"));
  socket->peer_ = name_of(&socket->handle_, &uv_udp_getpeername);
  const auto address = socket->local_address();
  if (address && address->is_ipv6()) socket->family_ = io::UdpFamily::kIpv6;
  return socket;
}

// --- its ends ---

void UdpSocket::must_be_open(std::string_view what) {
  if (is_closing()) uv_error(UV_EBADF, std::string(what) + ": the socket is closed").raise();
}

void UdpSocket::bind(const io::Address& at, const io::UdpOptions& options) {
  const std::string doing = "bind " + at.to_string();
  if (options.reuse_port) {
    uv_os_fd_t descriptor = -1;
    const int on = 1;
    uv_check(uv_fileno(raw(), &descriptor), doing);
    if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
      uv_check(uv_translate_sys_error(errno), doing);
    }
  }
  unsigned flags = options.reuse_address ? UV_UDP_REUSEADDR : 0;
  if (options.ipv6_only && at.is_ipv6()) flags |= UV_UDP_IPV6ONLY;
  uv_check(uv_udp_bind(&handle_, at.raw(), flags), doing);
  bound_ = local_address();
}

void UdpSocket::connect(const io::Address& peer) {
  must_be_open("connect");
  if (peer_) throw UsageError("connect: the socket is connected; disconnect() first");
  uv_check(uv_udp_connect(&handle_, peer.raw()), "connect " + peer.to_string());
  peer_ = peer;
}

void UdpSocket::disconnect() {
  must_be_open("disconnect");
  if (!peer_) throw UsageError("disconnect: the socket is not connected");
  const std::string doing = describe("disconnect");
  uv_check(uv_udp_connect(&handle_, nullptr), doing);
  peer_.reset();
  // Linux takes back a port which the kernel has picked; nobody would reach the socket.
  if (!bound_ || local_address() == bound_) return;
  uv_check(uv_udp_bind(&handle_, bound_->raw(), 0), doing);
}

void UdpSocket::raise_misaddressed(const io::Address* to) {
  throw UsageError(to == nullptr
                       ? "send: the socket is not connected; connect() first, or send_to()"
                       : "send_to: the socket is connected; send(), or disconnect() first");
}

void UdpSocket::set_option(std::string_view what, int (*set)(uv_udp_t*, int), int value) {
  must_be_open(what);
  // libuv takes a socket of IPv6 for one only once it has bound it; one that the kernel has
  // bound meanwhile it cannot.
  if (family_ == io::UdpFamily::kIpv6 && !bound_) {
    if (local_address().has_value() && local_address()->port() != 0) {
      throw UsageError(std::string(what) +
                       ": set it before the socket is first used, or bind() it");
    }
    bind(io::Address::parse("::", 0), {});
  }
  uv_check(set(&handle_, value), describe(what));
}

void UdpSocket::set_membership(const char* what, const Membership& of, uv_membership change) {
  must_be_open(what);
  const std::string group = checked_ip(of.group);
  const auto interface = checked_interface(of.interface);
  int code = 0;
  if (of.source.empty()) {
    code = uv_udp_set_membership(&handle_, group.c_str(), or_null(interface), change);
  } else {
    const std::string source = checked_ip(of.source);
    code = uv_udp_set_source_membership(&handle_, group.c_str(), or_null(interface), source.c_str(),
                                        change);
  }
  uv_check(code, std::string(what) + " " + group);
}

void UdpSocket::set_multicast_interface(std::string_view interface) {
  must_be_open("set_multicast_interface");
  uv_check(uv_udp_set_multicast_interface(&handle_, or_null(checked_interface(interface))),
           "set_multicast_interface " + std::string(interface));
}

std::size_t UdpSocket::buffer_size(std::string_view what, int (*size)(uv_handle_t*, int*)) {
  must_be_open(what);
  int value = 0;  // asks
  uv_check(size(raw(), &value), describe(what));
  return static_cast<std::size_t>(value);
}

void UdpSocket::set_buffer_size(std::string_view what, int (*size)(uv_handle_t*, int*),
                                std::size_t value) {
  must_be_open(what);
  if (value == 0) throw UsageError(std::string(what) + ": a buffer has at least one byte");
  auto bytes = static_cast<int>(std::min<std::size_t>(value, INT_MAX));
  uv_check(size(raw(), &bytes), describe(what));
}

std::optional<io::Address> UdpSocket::local_address(int* code) noexcept {
  return name_of(&handle_, &uv_udp_getsockname, code);
}

std::string UdpSocket::describe(std::string_view what) noexcept {
  return text_or_nothing([&] {
    const auto address = peer_ ? peer_ : is_closing() ? bound_ : local_address();
    return address ? std::string(what) + " " + address->to_string() : std::string(what);
  });
}

// --- receiving ---

std::optional<Error> UdpSocket::begin_receive(const char* what) {
  if (is_closing()) return uv_error(UV_EBADF, std::string(what) + ": the socket is closed");
  if (message_handler_) {
    throw UsageError(std::string(what) + ": on_message() takes what arrives; use one of the two");
  }
  if (receive_ || batch_) {
    throw UsageError(std::string(what) + ": another receive is pending; one at a time");
  }
  if (held_begin_ < held_.size()) return std::nullopt;
  if (const int code = start(); code < 0) return uv_error(code, describe(what));
  return std::nullopt;
}

std::optional<Result<io::Received>> UdpSocket::receive_slowly(std::span<std::byte> into,
                                                              Done<io::Received> done) {
  if (into.empty()) throw UsageError("receive: the buffer is empty");
  require_callback(done, "receive");
  if (auto error = begin_receive("receive")) return Result<io::Received>(*std::move(error));
  if (held_begin_ < held_.size()) return take_held(into);
  into_ = into;
  receive_.take(done);
  return std::nullopt;
}

std::optional<Result<Datagrams>> UdpSocket::receive_batch(Done<Datagrams> done) {
  if (arena_ == nullptr) {
    throw UsageError("receive_batch: the socket takes one at a time; see UdpOptions::batch_max");
  }
  require_callback(done, "receive_batch");
  if (auto error = begin_receive("receive_batch")) return Result<Datagrams>(*std::move(error));
  if (held_begin_ < held_.size()) return take_batch();
  batch_.take(done);
  return std::nullopt;
}

void UdpSocket::cancel_receive() {
  end_receive(UV_ECANCELED);
  stop_unless_wanted();
}

void UdpSocket::end_receive(int code) {
  if (receive_) return receive_.complete(loop(), resource(), uv_error(code, describe("receive")));
  batch_.complete(loop(), resource(), uv_error(code, describe("receive_batch")));
}

int UdpSocket::start() noexcept {
  if (is_receiving_) return 0;
  const int code = uv_udp_recv_start(&handle_, &on_alloc, &on_receive);
  is_receiving_ = code == 0;
  return code;
}

void UdpSocket::stop_unless_wanted() noexcept {
  if (is_wanted() || !std::exchange(is_receiving_, false)) return;
  uv_udp_recv_stop(&handle_);
}

void UdpSocket::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
  auto& self = static_cast<UdpSocket&>(from(handle->data));
  if (self.arena_ != nullptr) {
    self.held_.clear();
    self.held_begin_ = 0;
    *buffer = to_uv({self.arena_.get(), self.arena_bytes_});
  } else {
    *buffer = to_uv(self.receive_ ? self.into_ : shared_buffer());
  }
}

void UdpSocket::on_receive(uv_udp_t* handle, ssize_t count, const uv_buf_t* buffer,
                           const sockaddr* peer, unsigned flags) noexcept {
  auto& self = static_cast<UdpSocket&>(from(handle->data));
  if (count < 0) {
    self.failed(static_cast<int>(count));
  } else if (peer != nullptr) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(buffer->base);
    self.received({bytes, static_cast<std::size_t>(count)}, peer, flags);
  } else if ((flags & UV_UDP_MMSG_FREE) != 0) {
    self.deliver_held();
  }
  if ((flags & UV_UDP_MMSG_CHUNK) == 0) self.stop_unless_wanted();
}

void UdpSocket::received(Bytes bytes, const sockaddr* peer, unsigned flags) {
  const io::Address from = io::Address::from_raw(peer);
  const bool is_truncated = (flags & UV_UDP_PARTIAL) != 0;
  if (arena_ != nullptr) {
    held_.push_back({bytes, from, is_truncated});  // within its capacity
    if ((flags & UV_UDP_MMSG_CHUNK) == 0) deliver_held();
  } else if (receive_) {
    receive_.complete(loop(), resource(), io::Received{bytes.size(), from, is_truncated});
  } else {
    message_handler_.call(loop(), resource(), bytes, from);
  }
}

void UdpSocket::deliver_held() {
  while (held_begin_ < held_.size() && is_wanted() && !is_closing()) {
    if (receive_) {
      receive_.complete(loop(), resource(), take_held(into_));
    } else if (batch_) {
      batch_.complete(loop(), resource(), take_batch());
    } else {
      const io::Datagram next = held_[held_begin_++];
      message_handler_.call(loop(), resource(), next.bytes, next.peer);
    }
  }
}

io::Received UdpSocket::take_held(std::span<std::byte> into) noexcept {
  const io::Datagram& next = held_[held_begin_++];
  const std::size_t count = std::min(into.size(), next.bytes.size());
  std::memcpy(into.data(), next.bytes.data(), count);
  return {count, next.peer, next.is_truncated || count < next.bytes.size()};
}

Datagrams UdpSocket::take_batch() noexcept {
  return Datagrams(held_).subspan(std::exchange(held_begin_, held_.size()));
}

void UdpSocket::failed(int code) {
  if (receive_ || batch_) return end_receive(code);
  if (error_handler_) {
    return error_handler_.call(loop(), resource(), uv_error(code, describe("receive")));
  }
  loop().call(resource(), [&] { close(); });
}

void UdpSocket::on_message(UniqueFunction<void(Bytes, const io::Address&)> handler) {
  if (receive_ || batch_) throw UsageError("on_message: a receive is pending; use one of the two");
  if (handler && arena_ == nullptr) shared_buffer();  // made where it may fail
  message_handler_.set(std::move(handler));
  if (!message_handler_) return stop_unless_wanted();
  if (!is_paused_) resume();
}

void UdpSocket::pause() noexcept {
  is_paused_ = true;
  stop_unless_wanted();
}

void UdpSocket::resume() {
  is_paused_ = false;
  if (is_closing() || !message_handler_) return;
  if (held_begin_ == held_.size()) return uv_check(start(), describe("receive"));
  // What is left of a batch is handed over on the next tick.
  loop().add_tick(std::make_unique<Tick>(
      [this] {
        deliver_held();
        if (is_wanted() && !is_closing()) start();
      },
      AsyncResourceOptions{.trigger = resource().async_id()}));
}

// --- closing ---

void UdpSocket::begin_close() noexcept {
  is_receiving_ = false;
  had_sends_ = uv_udp_get_send_queue_count(&handle_) > 0;
}

uv_handle_t* UdpSocket::close_second() noexcept {
  if (!had_sends_) return nullptr;
  uv_must(uv_idle_init(loop().uv(), &second_));
  return reinterpret_cast<uv_handle_t*>(&second_);
}

void UdpSocket::end_pending() noexcept {
  if (receive_ || batch_) end_receive(UV_ECANCELED);
}

void UdpSocket::drop_handlers() noexcept {
  message_handler_.clear();
  error_handler_.clear();
}

}  // namespace weft::detail
