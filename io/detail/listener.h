// Listener: the block behind a TcpListener or a PipeListener.
//
// It watches a listening socket and accepts by itself, for whoever wants: connections
// nobody waits for stay in the kernel's backlog. uv_listen is not used, because libuv
// hides that no descriptors are left: it closes all waiting connections, and tells
// nobody. Here that is an error like others, and after any error nothing is accepted
// for a while, 5 ms at first and up to a second: the cause will be there at once again.
// In a turn of the loop it accepts one connection, so that peers who connect faster than
// they are served leave timers, signals and the others their turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <uv.h>

#include <weft/io/detail/descriptor.h>
#include <weft/io/detail/stream.h>
#include <weft/io/listener.h>
#include <weft/runtime/timers.h>

namespace weft::detail {

class Listener : public Handle {
 public:
  // Leaf.
  std::optional<Result<StreamPtr>> accept(Done<StreamPtr> done);
  // Ends the pending accept with operation_canceled.
  void cancel_accept();

  void on_connection(UniqueFunction<void(StreamPtr)> handler);
  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }

  int descriptor() const noexcept { return socket_.get(); }
  io::ListenerStatistics statistics() const noexcept { return {accepted_, accept_errors_}; }

 protected:
  // `socket` is a stream socket that does not block.
  Listener(EventLoop& loop, ResourceType type, Descriptor socket);

  // Begins to accept; the socket listens.
  void start() noexcept { watch(true); }
  // Where it listens, for messages.
  virtual std::string name() const = 0;
  // "accept 127.0.0.1:80"; empty where there is no memory for it.
  std::string describe(std::string_view what) const noexcept;
  // An accepted connection, which as in Node is a resource triggered by the listener's.
  virtual Result<StreamPtr> wrap(Descriptor accepted) = 0;

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void begin_close() noexcept override;
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;
  void tell_closed(PersistentHandler<>& handler) override;
  // A timer does it during a pause.
  bool keeps_loop_alive() noexcept override {
    return Handle::keeps_loop_alive() || (is_resting_ && uv_has_ref(raw()) != 0);
  }

 private:
  bool is_wanted() const noexcept { return accept_ || connection_handler_; }
  // Off, the handle stays active: a listener keeps the loop alive in any case.
  void watch(bool on) noexcept;
  void is_ready(int status) noexcept;
  void hand_over();
  // Nothing: no connection waits.
  std::optional<Result<StreamPtr>> take() noexcept;
  Result<StreamPtr> taken(Descriptor accepted) noexcept;
  Result<StreamPtr> wrap_or_error(Descriptor accepted) noexcept;
  void pause() noexcept;
  void resume() noexcept;
  void tell_error(const Error& error);

  uv_poll_t handle_;
  Descriptor socket_;
  bool is_watching_ = false;
  bool is_resting_ = false;             // in a pause; libuv does not watch
  bool has_waiting_ = false;            // a connection came that nobody wanted; not watching since
  std::chrono::milliseconds pause_{0};  // the last one; 0: none since the last connection
  Timeout resume_;                      // ends it
  std::uint64_t accepted_ = 0;
  std::uint64_t accept_errors_ = 0;
  Completion<StreamPtr> accept_;
  PersistentHandler<StreamPtr> connection_handler_;
  PersistentHandler<Error> error_handler_;
};

}  // namespace weft::detail
