// SignalWatch: the block behind a SignalListener.
//
// libuv has a handle for each number, and each is a block and a resource of its own. The
// first leads: it has the waiter, the handler and what nobody took so far, and it owns
// the others, which only tell it; they begin to close when it does.
#pragma once

#include <span>
#include <vector>

#include <uv.h>

#include <weft/io/detail/feed.h>

namespace weft::detail {

class SignalWatch;
using SignalWatchPtr = HandlePtr<SignalWatch>;

// Errors: as SignalListener::listen.
SignalWatchPtr listen_signals(EventLoop& loop, std::span<const int> signals);

class SignalWatch final : public Feed<int> {
 public:
  // `leader` null: it leads itself.
  SignalWatch(EventLoop& loop, int signal, SignalWatch* leader);

  // true: while it is open; false: never.
  void keep_alive(bool always) noexcept;

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void begin_close() noexcept override;
  std::string describe() const noexcept override;
  bool has_kept() const noexcept override { return !kept_.empty(); }
  Kept take_kept() override;
  void waits(bool begins) noexcept override;

 private:
  friend SignalWatchPtr listen_signals(EventLoop& loop, std::span<const int> signals);

  enum class KeepsAlive { kWhileWaiting, kAlways, kNever };

  ~SignalWatch() override = default;

  void start();
  // Listens for one more.
  void add(int signal);
  bool has(int signal) const noexcept;
  void heard(SignalWatch& by);

  uv_signal_t handle_;
  const int signal_;
  SignalWatch* const leader_;
  bool is_kept_ = false;  // it came, and nobody took it

  // The leader's.
  std::vector<SignalWatchPtr> others_;
  std::vector<SignalWatch*> kept_;  // in the order they came
  KeepsAlive keeps_alive_ = KeepsAlive::kWhileWaiting;
};

}  // namespace weft::detail
