// UdpSocket: the block behind an io::UdpSocket.
//
// Invariants:
//
// 1. It receives exactly while somebody wants datagrams: a pending call, or a handler
//    that is not paused. No datagram is read ahead of that, so none has to be kept.
// 2. A batch (recvmmsg) comes whole: its datagrams stand in the arena, and are handed
//    out only once libuv has given all of them. Stopping in between would lose the rest.
// 3. While some of a batch is left, nothing is received. The arena of what
//    receive_batch() returned is not written before the next call that receives.
// 4. A leaf that finishes at once returns the result and never calls back.
// 5. The close ends the pending receive: libuv forgets it without a word. Sends libuv
//    ends itself, with UV_ECANCELED.
// 6. libuv before 1.49 does not look whether its receive callback has closed the socket: it
//    sends what waits, with no descriptor (UV_EBADF), and keeps the closed handle among
//    those it looks at in the next turn. So a close with sends that wait takes a turn more.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <uv.h>

#include <weft/io/datagram.h>
#include <weft/io/detail/bytes.h>
#include <weft/io/udp_options.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/handle.h>

namespace weft::detail {

class Stream;

using Datagrams = std::span<const io::Datagram>;

struct Membership {
  std::string_view group;
  std::string_view interface = {};  // empty: one the kernel picks
  std::string_view source = {};     // empty: whoever sends
};

class UdpSocket final : public Handle {
 public:
  // Errors, of this and of what follows: std::system_error, UsageError.
  static HandlePtr<UdpSocket> open(EventLoop& loop, io::UdpFamily family,
                                   const io::UdpOptions& options, const std::string& doing);
  // The next descriptor that was sent along over `pipe`; one has come, and it is a socket's.
  static HandlePtr<UdpSocket> receive_from(Stream& pipe);

  // Not for a closed socket: libuv would give it a new descriptor.
  void must_be_open(std::string_view what);
  void bind(const io::Address& at, const io::UdpOptions& options);
  void connect(const io::Address& peer);
  void disconnect();
  // Null when it is not connected.
  const io::Address* peer() const noexcept { return peer_ ? &*peer_ : nullptr; }

  // What uv_udp_try_send() says; `to` null: to the peer it is connected to. UV_EAGAIN of a
  // closed socket.
  // Errors: UsageError when it is connected and has an address, too, or neither.
  int send_now(Bytes bytes, const io::Address* to) {
    if (is_closing()) return UV_EAGAIN;
    if (peer_.has_value() == (to != nullptr)) [[unlikely]]
      raise_misaddressed(to);
    const uv_buf_t buffer = to_uv(bytes);
    return uv_udp_try_send(&handle_, &buffer, 1, to == nullptr ? nullptr : to->raw());
  }

  // Leaves. An engaged result: finished at once, `done` was not taken.

  std::optional<Result<io::Received>> receive(std::span<std::byte> into, Done<io::Received> done) {
    const bool must_wait =
        is_receiving_ && !into.empty() && !receive_ && !message_handler_ && arena_ == nullptr;
    if (!must_wait) [[unlikely]]
      return receive_slowly(into, done);
    into_ = into;
    receive_.take(done);
    return std::nullopt;
  }
  std::optional<Result<Datagrams>> receive_batch(Done<Datagrams> done);
  // Ends the pending receive with operation_canceled; the socket stays open.
  void cancel_receive();

  void on_message(UniqueFunction<void(Bytes, const io::Address&)> handler);
  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }
  void pause() noexcept;
  void resume();

  // libuv's options of bound sockets: of an unbound one of IPv6 it does not know the family.
  void set_option(std::string_view what, int (*set)(uv_udp_t*, int), int value);
  void set_membership(const char* what, const Membership& of, uv_membership change);
  void set_multicast_interface(std::string_view interface);
  std::size_t buffer_size(std::string_view what, int (*size)(uv_handle_t*, int*));
  void set_buffer_size(std::string_view what, int (*size)(uv_handle_t*, int*), std::size_t value);

  std::optional<io::Address> local_address(int* code = nullptr) noexcept;
  uv_udp_t* udp() noexcept { return &handle_; }
  // "receive 127.0.0.1:80": the peer it is connected to, else its own address.
  std::string describe(std::string_view what) noexcept;

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void begin_close() noexcept override;
  uv_handle_t* close_second() noexcept override;
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;
  void tell_closed(PersistentHandler<>& handler) override { tell_closed_on_tick(handler); }

 private:
  UdpSocket(EventLoop& loop, io::UdpFamily family, bool is_batched);
  explicit UdpSocket(Stream& received_over);
  ~UdpSocket() override = default;

  static void on_alloc(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer) noexcept;
  static void on_receive(uv_udp_t* handle, ssize_t count, const uv_buf_t* buffer,
                         const sockaddr* peer, unsigned flags) noexcept;

  [[noreturn]] static void raise_misaddressed(const io::Address* to);
  bool is_wanted() const noexcept {
    return receive_ || batch_ || (message_handler_ && !is_paused_);
  }
  std::optional<Result<io::Received>> receive_slowly(std::span<std::byte> into,
                                                     Done<io::Received> done);
  // Starts to receive where nothing is left of a batch.
  std::optional<Error> begin_receive(const char* what);
  int start() noexcept;
  void stop_unless_wanted() noexcept;
  void received(Bytes bytes, const sockaddr* peer, unsigned flags);
  void deliver_held();
  io::Received take_held(std::span<std::byte> into) noexcept;
  Datagrams take_batch() noexcept;
  void end_receive(int code);
  void failed(int code);

  uv_udp_t handle_;
  io::UdpFamily family_ = io::UdpFamily::kIpv4;
  int open_code_ = 0;  // why it has no descriptor, or cannot be polled; 0: neither
  bool is_receiving_ = false;
  bool is_paused_ = false;
  bool had_sends_ = false;  // that waited when it was closed
  uv_idle_t second_;        // of such a close
  std::optional<io::Address> bound_;
  std::optional<io::Address> peer_;  // it is connected to

  std::size_t arena_bytes_ = 0;
  std::unique_ptr<std::byte[]> arena_;  // null: one datagram at a time
  std::vector<io::Datagram> held_;      // in the arena, never more than a batch
  std::size_t held_begin_ = 0;          // those before it were handed out

  std::span<std::byte> into_;
  Completion<io::Received> receive_;  // pending
  Completion<Datagrams> batch_;       // pending; never together with receive_
  PersistentHandler<Bytes, const io::Address&> message_handler_;
  PersistentHandler<Error> error_handler_;
};

using UdpSocketPtr = HandlePtr<UdpSocket>;

}  // namespace weft::detail
