// TcpServer: the block behind a TcpListener.
#pragma once

#include <string>

#include <weft/io/address.h>
#include <weft/io/detail/listener.h>
#include <weft/io/tcp_options.h>

namespace weft::detail {

class TcpServer final : public Listener {
 public:
  TcpServer(EventLoop& loop, Descriptor socket)
      : Listener(loop, "TCPSERVERWRAP", std::move(socket)) {}

  // Binds and listens.
  // Errors: std::system_error.
  void open(const io::Address& at, const io::ListenOptions& options);
  // The socket listens already.
  // Errors: std::system_error.
  void adopt();

  const io::Address& address() const noexcept { return address_; }

 protected:
  std::string name() const override { return address_.to_string(); }
  Result<StreamPtr> wrap(Descriptor accepted) override;

 private:
  ~TcpServer() override = default;

  io::Address address_;
};

using TcpServerPtr = HandlePtr<TcpServer>;

// Errors: std::system_error.
TcpServerPtr listen_tcp(EventLoop& loop, const io::Address& at, const io::ListenOptions& options);

}  // namespace weft::detail
