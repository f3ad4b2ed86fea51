// TcpSocket: the block behind a TcpStream, and how it gets connected.
#pragma once

#include <optional>
#include <string>

#include <weft/io/address.h>
#include <weft/io/detail/stream.h>

namespace weft::detail {

class TcpSocket final : public Stream {
 public:
  explicit TcpSocket(EventLoop& loop, const AsyncResourceOptions& options = {});

  // Leaf. Never finishes at once.
  void connect(const io::Address& to, Callback<void> done);

  std::optional<io::Address> local_address() noexcept;
  std::optional<io::Address> peer_address() noexcept;
  // For messages: once the peer is gone the kernel does not know it any more.
  void remember_peer() noexcept { connected_to_ = peer_address(); }
  uv_tcp_t* tcp() noexcept { return &handle_; }

 protected:
  std::string peer_name() override;

 private:
  ~TcpSocket() override = default;

  uv_tcp_t handle_;
  std::optional<io::Address> connected_to_;
};

using TcpSocketPtr = HandlePtr<TcpSocket>;

// Connects to the first address of `host`, an IP address or a name, that answers.
// Leaf; never finishes at once. What it returns is gone once `done` was called.
class TcpConnect;
TcpConnect& connect_tcp(EventLoop& loop, std::string host, std::uint16_t port,
                        Callback<TcpSocketPtr> done);
// Ends the attempt with operation_canceled.
void cancel(TcpConnect& connect) noexcept;

}  // namespace weft::detail
