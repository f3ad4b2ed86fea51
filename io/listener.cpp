#include <weft/io/detail/listener.h>
#include <weft/io/detail/owner.h>
#include <weft/io/listener.h>
#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::start_leaf;
using weft::detail::StreamAccess;
using weft::detail::StreamPtr;

// --- Listener ---

Listener::Listener(Block block) noexcept : block_(std::move(block)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

weft::detail::Listener& Listener::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

void Listener::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void Listener::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}

void Listener::close() {
  if (block_ != nullptr) block("close").close();
}
bool Listener::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void Listener::wait_closed() {
  auto& server = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return server.closed(done); },
      [&] { server.cancel_closed(); });
}

void Listener::ref() {
  block("ref").set_referenced(true);
}
void Listener::unref() {
  block("unref").set_referenced(false);
}
ListenerStatistics Listener::statistics() const {
  return block("statistics").statistics();
}
AsyncId Listener::async_id() const {
  return block("async_id").resource().async_id();
}
int Listener::fd() const {
  auto& listener = block("fd");
  if (listener.is_closing()) weft::detail::uv_check(UV_EBADF, "fd: the listener is closed");
  return listener.descriptor();
}

// --- ListenerOf ---

template <typename S>
S ListenerOf<S>::accept() {
  auto& listener = block("accept");
  return StreamAccess::make<S>(await_leaf<StreamPtr>(
      "accept", [&](Done<StreamPtr> done) { return listener.accept(done); },
      [&] { listener.cancel_accept(); }));
}

template <typename S>
void ListenerOf<S>::accept(Callback<S> done) {
  weft::detail::require_callback(done, "accept");
  auto& listener = block("accept");
  Callback<StreamPtr> to_stream = [done = std::move(done)](Result<StreamPtr> accepted) mutable {
    accepted ? done(StreamAccess::make<S>(std::move(accepted).value())) : done(accepted.failure());
  };
  start_leaf(listener, std::move(to_stream),
             [&](auto callback) { return listener.accept(callback); });
}

template <typename S>
void ListenerOf<S>::on_connection(UniqueFunction<void(S)> handler) {
  UniqueFunction<void(StreamPtr)> to_stream;
  if (handler) {
    to_stream = [handler = std::move(handler)](StreamPtr accepted) mutable {
      handler(StreamAccess::make<S>(std::move(accepted)));
    };
  }
  block("on_connection").on_connection(std::move(to_stream));
}

template class ListenerOf<PipeStream>;
template class ListenerOf<TcpStream>;

}  // namespace weft::io
