// TcpServer: the block behind a TcpListener.
//
// It watches a listening socket and accepts by itself, for whoever wants: connections
// nobody waits for stay in the kernel's backlog. uv_listen is not used, because libuv
// hides that no descriptors are left: it closes all waiting connections, and tells
// nobody. Here that is an error like others, and after any error nothing is accepted
// for a while, 5 ms at first and up to a second: the cause will be there at once again.
#pragma once

#include <chrono>
#include <optional>

#include <uv.h>

#include <weft/io/address.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/tcp_options.h>
#include <weft/runtime/timers.h>

namespace weft::detail {

class TcpServer final : public Handle {
 public:
  // Shape: owns `socket`.
  TcpServer(EventLoop& loop, int socket);

  // Binds and listens.
  // Errors: std::system_error.
  void open(const io::Address& at, const io::ListenOptions& options);

  // Leaf.
  std::optional<Result<TcpSocketPtr>> accept(Done<TcpSocketPtr> done);
  // Ends the pending accept with operation_canceled.
  void cancel_accept();

  void on_connection(UniqueFunction<void(TcpSocketPtr)> handler);
  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }

  const io::Address& address() const noexcept { return address_; }

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void begin_close() noexcept override;
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;
  void tell_closed(PersistentHandler<>& handler) override;

 private:
  ~TcpServer() override = default;

  bool is_wanted() const noexcept { return accept_ || connection_handler_; }
  // Off, the handle stays active: a listener keeps the loop alive in any case.
  void watch(bool on) noexcept;
  void is_ready(int status);
  void hand_over();
  // Nothing: no connection waits.
  std::optional<Result<TcpSocketPtr>> take();
  Result<TcpSocketPtr> wrap(int socket);
  void pause();

  uv_poll_t handle_;
  int socket_;
  io::Address address_;
  bool is_watching_ = false;
  bool has_waiting_ = false;            // a connection came that nobody wanted; not watching since
  std::chrono::milliseconds pause_{0};  // the last one; 0: none since the last connection
  Timeout resume_;                      // ends it
  Completion<TcpSocketPtr> accept_;
  PersistentHandler<TcpSocketPtr> connection_handler_;
  PersistentHandler<Error> error_handler_;
};

using TcpServerPtr = HandlePtr<TcpServer>;

// Errors: std::system_error.
TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options);

}  // namespace weft::detail
