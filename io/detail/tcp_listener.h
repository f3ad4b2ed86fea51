// TcpServer: the block behind a TcpListener.
//
// libuv holds one accepted connection back until somebody takes it, and does not
// accept meanwhile; so connections nobody waits for stay in the kernel's backlog.
#pragma once

#include <optional>

#include <uv.h>

#include <weft/io/address.h>
#include <weft/io/detail/tcp_socket.h>
#include <weft/io/tcp_options.h>

namespace weft::detail {

class TcpServer final : public Handle {
 public:
  explicit TcpServer(EventLoop& loop);

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
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;
  void tell_closed(PersistentHandler<>& handler) override;

 private:
  ~TcpServer() override = default;

  void arrived(int status);
  Result<TcpSocketPtr> take();

  uv_tcp_t handle_;
  io::Address address_;
  bool has_waiting_ = false;  // libuv holds a connection back
  Completion<TcpSocketPtr> accept_;
  PersistentHandler<TcpSocketPtr> connection_handler_;
  PersistentHandler<Error> error_handler_;
};

using TcpServerPtr = HandlePtr<TcpServer>;

TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options);

}  // namespace weft::detail
