#include <string>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/udp_send.h>
#include <weft/io/detail/udp_socket.h>
#include <weft/io/udp.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {

using weft::detail::Attempt;
using weft::detail::await_leaf;
using weft::detail::bytes_of;
using weft::detail::Datagrams;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;
using weft::detail::UdpSend;

namespace {

void wait_sent(weft::detail::UdpSocket& socket, const Attempt& attempt) {
  UdpSend* started = nullptr;
  await_leaf<void>(
      attempt.what,
      [&](Done<void> done) { return weft::detail::send_more(socket, attempt, done, &started); },
      [&] { weft::detail::cancel_send(*started); });
}

void start_sent(weft::detail::UdpSocket& socket, const Attempt& attempt, Callback<void> done) {
  start_leaf(socket, std::move(done),
             [&](auto callback) { return weft::detail::send_more(socket, attempt, callback); });
}

}  // namespace

UdpSocket::UdpSocket(Block block) noexcept : block_(std::move(block)) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;
UdpSocket::~UdpSocket() = default;

inline weft::detail::UdpSocket& UdpSocket::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

UdpSocket UdpSocket::bind(std::string_view ip, std::uint16_t port, UdpOptions options,
                          const SourceLocation& created_at) {
  auto& loop = EventLoop::current("bind");
  const Address at = Address::parse(ip, port);
  const UdpFamily family = at.is_ipv6() ? UdpFamily::kIpv6 : UdpFamily::kIpv4;
  Block block = weft::detail::UdpSocket::open(loop, family, options, "bind " + at.to_string());
  block->set_created_at(created_at);
  block->bind(at, options);
  return UdpSocket(std::move(block));
}

UdpSocket UdpSocket::unbound(UdpFamily family, UdpOptions options,
                             const SourceLocation& created_at) {
  return UdpSocket(weft::detail::made_at(
      created_at,
      weft::detail::UdpSocket::open(EventLoop::current("unbound"), family, options, "unbound")));
}

void UdpSocket::connect(const Address& peer) {
  block("connect").connect(peer);
}
void UdpSocket::disconnect() {
  block("disconnect").disconnect();
}
bool UdpSocket::is_connected() const noexcept {
  return block_ != nullptr && block_->peer() != nullptr;
}

// --- receiving ---

Received UdpSocket::receive(std::span<std::byte> into) {
  auto& socket = block("receive");
  return await_leaf<Received>(
      "receive", [&](Done<Received> done) { return socket.receive(into, done); },
      [&] { socket.cancel_receive(); });
}
void UdpSocket::receive(std::span<std::byte> into, Callback<Received> done) {
  auto& socket = block("receive");
  start_leaf(socket, std::move(done),
             [&](auto callback) { return socket.receive(into, callback); });
}

std::span<const Datagram> UdpSocket::receive_batch() {
  auto& socket = block("receive_batch");
  return await_leaf<Datagrams>(
      "receive_batch", [&](Done<Datagrams> done) { return socket.receive_batch(done); },
      [&] { socket.cancel_receive(); });
}
void UdpSocket::receive_batch(Callback<std::span<const Datagram>> done) {
  auto& socket = block("receive_batch");
  start_leaf(socket, std::move(done),
             [&](auto callback) { return socket.receive_batch(callback); });
}

// --- sending ---

void UdpSocket::send(std::span<const std::byte> bytes) {
  auto& socket = block("send");
  weft::detail::fiber_that_may_wait("send");
  if (const int code = socket.send_now(bytes, nullptr); code < 0) {
    wait_sent(socket, {"send", {bytes}, code});
  }
}
void UdpSocket::send(std::string_view text) {
  send(bytes_of(text));
}
void UdpSocket::send(std::span<const std::byte> bytes, Callback<void> done) {
  auto& socket = block("send");
  const int code = socket.send_now(bytes, nullptr);
  if (code < 0 || done) start_sent(socket, {"send", {bytes}, code}, std::move(done));
}
void UdpSocket::send(std::string_view text, Callback<void> done) {
  send(bytes_of(text), std::move(done));
}

void UdpSocket::send_to(std::span<const std::byte> bytes, const Address& peer) {
  auto& socket = block("send_to");
  weft::detail::fiber_that_may_wait("send_to");
  if (const int code = socket.send_now(bytes, &peer); code < 0) {
    wait_sent(socket, {"send_to", {bytes, peer}, code});
  }
}
void UdpSocket::send_to(std::string_view text, const Address& peer) {
  send_to(bytes_of(text), peer);
}
void UdpSocket::send_to(std::span<const std::byte> bytes, const Address& peer,
                        Callback<void> done) {
  auto& socket = block("send_to");
  const int code = socket.send_now(bytes, &peer);
  if (code < 0 || done) start_sent(socket, {"send_to", {bytes, peer}, code}, std::move(done));
}
void UdpSocket::send_to(std::string_view text, const Address& peer, Callback<void> done) {
  send_to(bytes_of(text), peer, std::move(done));
}

std::size_t UdpSocket::send_batch(std::span<const Datagram> datagrams) {
  auto& socket = block("send_batch");
  UdpSend* started = nullptr;
  return await_leaf<std::size_t>(
      "send_batch",
      [&](auto done) { return weft::detail::send_batch(socket, datagrams, done, &started); },
      [&] { weft::detail::cancel_send(*started); });
}
void UdpSocket::send_batch(std::span<const Datagram> datagrams, Callback<std::size_t> done) {
  auto& socket = block("send_batch");
  start_leaf(socket, std::move(done),
             [&](auto callback) { return weft::detail::send_batch(socket, datagrams, callback); });
}

std::size_t UdpSocket::send_queue_size() const {
  return uv_udp_get_send_queue_size(block("send_queue_size").udp());
}
std::size_t UdpSocket::send_queue_count() const {
  return uv_udp_get_send_queue_count(block("send_queue_count").udp());
}

// --- handlers and the end ---

void UdpSocket::on_message(
    UniqueFunction<void(std::span<const std::byte>, const Address&)> handler) {
  block("on_message").on_message(std::move(handler));
}
void UdpSocket::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void UdpSocket::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}
void UdpSocket::pause() {
  block("pause").pause();
}
void UdpSocket::resume() {
  block("resume").resume();
}

void UdpSocket::close() {
  if (block_ != nullptr) block("close").close();
}
bool UdpSocket::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void UdpSocket::wait_closed() {
  auto& socket = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return socket.closed(done); },
      [&] { socket.cancel_closed(); });
}

// --- options ---

void UdpSocket::add_membership(std::string_view group, std::string_view interface) {
  block("add_membership").set_membership("add_membership", {group, interface}, UV_JOIN_GROUP);
}
void UdpSocket::drop_membership(std::string_view group, std::string_view interface) {
  block("drop_membership").set_membership("drop_membership", {group, interface}, UV_LEAVE_GROUP);
}
void UdpSocket::add_source_specific_membership(std::string_view source, std::string_view group,
                                               std::string_view interface) {
  block("add_source_specific_membership")
      .set_membership("add_source_specific_membership", {group, interface, source}, UV_JOIN_GROUP);
}
void UdpSocket::drop_source_specific_membership(std::string_view source, std::string_view group,
                                                std::string_view interface) {
  block("drop_source_specific_membership")
      .set_membership("drop_source_specific_membership", {group, interface, source},
                      UV_LEAVE_GROUP);
}
void UdpSocket::set_multicast_interface(std::string_view interface) {
  block("set_multicast_interface").set_multicast_interface(interface);
}
void UdpSocket::set_multicast_loopback(bool on) {
  block("set_multicast_loopback")
      .set_option("set_multicast_loopback", &uv_udp_set_multicast_loop, on ? 1 : 0);
}
void UdpSocket::set_multicast_ttl(int hops) {
  block("set_multicast_ttl").set_option("set_multicast_ttl", &uv_udp_set_multicast_ttl, hops);
}
void UdpSocket::set_ttl(int hops) {
  block("set_ttl").set_option("set_ttl", &uv_udp_set_ttl, hops);
}
void UdpSocket::set_broadcast(bool on) {
  block("set_broadcast").set_option("set_broadcast", &uv_udp_set_broadcast, on ? 1 : 0);
}

void UdpSocket::set_recv_buffer_size(std::size_t size) {
  block("set_recv_buffer_size").set_buffer_size("set_recv_buffer_size", &uv_recv_buffer_size, size);
}
void UdpSocket::set_send_buffer_size(std::size_t size) {
  block("set_send_buffer_size").set_buffer_size("set_send_buffer_size", &uv_send_buffer_size, size);
}
std::size_t UdpSocket::recv_buffer_size() const {
  return block("recv_buffer_size").buffer_size("recv_buffer_size", &uv_recv_buffer_size);
}
std::size_t UdpSocket::send_buffer_size() const {
  return block("send_buffer_size").buffer_size("send_buffer_size", &uv_send_buffer_size);
}

Address UdpSocket::local_address() const {
  int code = 0;
  auto& socket = block("local_address");
  if (const auto address = socket.local_address(&code)) return *address;
  if (socket.is_closing()) {
    weft::detail::uv_error(UV_EBADF, "local_address: the socket is closed").raise();
  }
  weft::detail::uv_error(code, "local_address").raise();
}
Address UdpSocket::peer_address() const {
  if (const Address* const peer = block("peer_address").peer()) return *peer;
  weft::detail::uv_error(UV_ENOTCONN, "peer_address").raise();
}
void UdpSocket::ref() {
  block("ref").set_referenced(true);
}
void UdpSocket::unref() {
  block("unref").set_referenced(false);
}
int UdpSocket::fd() const {
  auto& socket = block("fd");
  socket.must_be_open("fd");
  uv_os_fd_t fd = -1;
  weft::detail::uv_check(uv_fileno(reinterpret_cast<uv_handle_t*>(socket.udp()), &fd), "fd");
  return fd;
}
AsyncId UdpSocket::async_id() const {
  return block("async_id").resource().async_id();
}

}  // namespace weft::io
