// Server: accepts connections, runs each on a fiber of its own, and stops in order.
//
//   io::Server server({.connections_max = 1000, .grace = 5s});
//   spawn([&] { wait_for_the_end(); server.stop(); });
//   server.serve(io::TcpListener::bind("0.0.0.0", 8080), [](io::TcpStream& peer) {
//     with_timeout(30s, [&] { answer(peer); });
//   });  // all connections have ended here
//
// A stop has three steps: the listener closes, so that new peers are refused and not
// left waiting, and connections that are idle() are cut; what runs may end, for as long as
// `grace`; what still runs then is cancelled. The connections are tasks of one group, so that
// cancelling the code which called serve() cancels them too, at once: that is the stop without
// grace, and what an interrupt does (RunOptions::stop_on_interrupt).
//
// One connection's failure is not the server's: it is reported, and the others go on.
// So is a listener's which cannot accept, as when the process has no descriptors left:
// it pauses (TcpListener::accept), and peers wait in the backlog.
//
// Source: Go's net/http Server (Serve, Shutdown, the pause after a failed accept), which
// does not cancel what outlasts the grace; its StateIdle; trio's serve_listeners.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <weft/ctx/unique_function.h>
#include <weft/io/pipe.h>
#include <weft/io/tcp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/source_location.h>
#include <weft/runtime/spawn_options.h>
#include <weft/runtime/task_group.h>

namespace weft::io {

struct ServeOptions {
  // How many connections are served at once. With as many the server does not accept:
  // more wait in the kernel's backlog (ListenOptions::backlog), none is dropped.
  std::size_t connections_max = std::numeric_limits<std::size_t>::max();
  // How long what runs may go on after stop(); zero cancels it at once.
  std::chrono::nanoseconds grace = std::chrono::seconds(10);
  // Gets what a handler throws, on the connection's fiber, in the context the handler
  // has left there; and why an accept failed, on the fiber that serves. What it throws
  // itself ends the server: the connections are cancelled, and serve() throws it in a
  // GroupError. Without one the error is printed with the peer and what led to it, unless
  // it is connection_reset or broken_pipe: a lost peer is no error of the program.
  UniqueFunction<void(std::exception_ptr error)> on_error = {};
  // Of the connections' fibers.
  SpawnOptions fiber = {.name = "connection"};
};

// One server, for one serve(). It belongs to the loop's thread, and must outlive serve().
class Server {
 public:
  using Options = ServeOptions;
  // The stream closes when the handler has returned.
  using Handler = UniqueFunction<void(TcpStream& peer)>;
  using PipeHandler = UniqueFunction<void(PipeStream& peer)>;

  // Each accepted connection is active, or has ended in one of three ways.
  struct Statistics {
    std::size_t active = 0;
    std::size_t idle = 0;  // of those
    std::uint64_t accepted = 0;
    std::uint64_t finished = 0;       // the handler returned
    std::uint64_t failed = 0;         // it threw
    std::uint64_t cancelled = 0;      // it was cut short
    std::uint64_t accept_errors = 0;  // no connection came of it
  };

  // Errors: UsageError when no connection may be served.
  explicit Server(Options options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() = default;

  // Serves until stop(); returns when the last connection has ended. Each begins in
  // the context of this call and on a fiber of its own: what one sets, others do not see.
  //
  // Context:  fiber
  // Suspends: until the listener is closed and all connections have ended; not when
  //           the server was stopped before.
  // Errors:   GroupError for what on_error throws; UsageError for a second call.
  // Cancel:   closes the listener, cancels the connections and waits for them.
  void serve(TcpListener listener, Handler handler,
             const SourceLocation& at = SourceLocation::current());
  void serve(PipeListener listener, PipeHandler handler,
             const SourceLocation& at = SourceLocation::current());

  // Begins the stop. A second call does nothing, and the grace goes on.
  //
  // Context: fiber, loop thread; from another thread with Loop::post()
  void stop(std::string_view reason = "the server stops") noexcept;
  bool is_stopping() noexcept { return accepting_.cancel_called(); }

  // Calls `fn`, in which a connection waits for its peer's next request: nothing is lost
  // if it ends there, so a stop cancels `fn` at once and not behind the grace. Returns
  // whether `fn` ran to its end; else the handler is to return.
  //
  //   while (server.idle([&] { count = peer.read(buffer); }) && count > 0) answer(...);
  //
  // Context:  fiber
  // Suspends: if `fn` does.
  // Errors:   what `fn` throws.
  // Cancel:   as CancelScope::run.
  // Source:   Go's net/http StateIdle, Node `server.closeIdleConnections()`.
  template <std::invocable F>
  bool idle(F&& fn) {
    Idle waiting(*this);
    return waiting.scope.run([&] { std::invoke(std::forward<F>(fn)); });
  }

  Statistics statistics() const noexcept;

 private:
  // A call of idle(), in the server's list.
  struct Idle {
    explicit Idle(Server& of) noexcept;
    Idle(const Idle&) = delete;
    Idle& operator=(const Idle&) = delete;
    ~Idle();

    Server& server;
    CancelScope scope;
    Idle* previous = nullptr;
    Idle* next = nullptr;
  };

  template <typename S>
  void serve_all(ListenerOf<S> listener, UniqueFunction<void(S& peer)> handler,
                 const SourceLocation& at);
  // Returns when a connection was accepted and its fiber spawned.
  template <typename S>
  void accept_one(TaskGroup& connections, ListenerOf<S>& listener,
                  UniqueFunction<void(S& peer)>& handler, const SourceLocation& at);
  void accept_all(const std::function<void()>& accept_next, const Listener& listener);
  void attend(Stream& peer, const std::function<void()>& handle);
  void report(const std::exception_ptr& error, const std::string& what);

  Options options_;
  bool has_served_ = false;
  CancelScope accepting_;
  Semaphore slots_;
  Statistics counts_;  // `active` is not kept here
  Idle* idle_ = nullptr;
};

// As a Server that nobody stops: serves until the code that calls is cancelled.
inline void serve(TcpListener listener, Server::Handler handler, ServeOptions options = {},
                  const SourceLocation& at = SourceLocation::current()) {
  Server(std::move(options)).serve(std::move(listener), std::move(handler), at);
}
inline void serve(PipeListener listener, Server::PipeHandler handler, ServeOptions options = {},
                  const SourceLocation& at = SourceLocation::current()) {
  Server(std::move(options)).serve(std::move(listener), std::move(handler), at);
}

}  // namespace weft::io
