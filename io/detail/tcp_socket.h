// TcpSocket: the block behind a TcpStream.
#pragma once

#include <optional>
#include <string>

#include <weft/io/address.h>
#include <weft/io/detail/stream.h>

namespace weft::detail {

class TcpSocket final : public Stream {
 public:
  explicit TcpSocket(EventLoop& loop, const AsyncResourceOptions& options = {});

  // Leaf. Never finishes at once. Without `from` the kernel picks the own address.
  void connect(const io::Address& to, const std::optional<io::Address>& from, Callback<void> done);

  std::optional<io::Address> local_address() noexcept;
  std::optional<io::Address> peer_address() noexcept;
  // For messages: once the peer is gone the kernel does not know it any more.
  void remember_peer() noexcept { connected_to_ = peer_address(); }
  uv_tcp_t* tcp() noexcept { return &handle_; }

 protected:
  std::string peer_name() override;

 private:
  bool is_connected_to_itself() noexcept;
  ~TcpSocket() override = default;

  uv_tcp_t handle_;
  std::optional<io::Address> connected_to_;
};

using TcpSocketPtr = HandlePtr<TcpSocket>;

}  // namespace weft::detail
