#include <chrono>
#include <new>
#include <system_error>

#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/stream.h>
#include <weft/io/serve.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/timers.h>

namespace weft::io {
namespace {

constexpr std::chrono::milliseconds kPause(100);

bool is_lost_peer(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& failed) {
    return failed.code() == std::errc::connection_reset || failed.code() == std::errc::broken_pipe;
  } catch (...) {
    return false;
  }
}

// "a connection failed: 127.0.0.1:40000"; without the peer where the handler moved it away.
std::string describe_failure(Stream& peer) {
  std::string what = "a connection failed";
  try {
    return weft::detail::StreamAccess::block(peer, "serve").describe(what + ":");
  } catch (const UsageError&) {
    return what;
  }
}

}  // namespace

Server::Idle::Idle(Server& of) noexcept : server(of), next(of.idle_) {
  if (next != nullptr) next->previous = this;
  server.idle_ = this;
  ++server.counts_.idle;
  if (server.is_stopping()) scope.cancel("the server stops");
}

Server::Idle::~Idle() {
  (previous != nullptr ? previous->next : server.idle_) = next;
  if (next != nullptr) next->previous = previous;
  --server.counts_.idle;
}

Server::Server(Options options) : options_(std::move(options)), slots_(options_.connections_max) {
  if (options_.connections_max == 0) {
    throw UsageError("Server: connections_max is 0; allow one connection at a time at least");
  }
}

Server::Statistics Server::statistics() const noexcept {
  Statistics all = counts_;
  all.active = static_cast<std::size_t>(all.accepted - all.finished - all.failed - all.cancelled);
  return all;
}

void Server::serve(TcpListener listener, Handler handler, const SourceLocation& at) {
  serve_all<TcpStream>(std::move(listener), std::move(handler), at);
}
void Server::serve(PipeListener listener, PipeHandler handler, const SourceLocation& at) {
  serve_all<PipeStream>(std::move(listener), std::move(handler), at);
}

// A cancelled fiber only becomes ready, so the list stays as it is meanwhile.
void Server::stop(std::string_view reason) noexcept {
  accepting_.cancel(reason);
  for (Idle* waiting = idle_; waiting != nullptr; waiting = waiting->next) {
    waiting->scope.cancel(reason);
  }
}

template <typename S>
void Server::serve_all(ListenerOf<S> listener, UniqueFunction<void(S&)> handler,
                       const SourceLocation& at) {
  if (has_served_) throw UsageError("serve: this Server has served; make one for each serve()");
  if (!handler) throw UsageError("serve: the handler is empty");
  has_served_ = true;
  task_group([&](TaskGroup& connections) {
    const auto accept_next = [&] { accept_one(connections, listener, handler, at); };
    accepting_.run([&] { accept_all(accept_next, listener); });
    listener.close();
    connections.cancel_scope().set_deadline(weft::detail::deadline_after(options_.grace));
  });
}

template <typename S>
void Server::accept_one(TaskGroup& connections, ListenerOf<S>& listener,
                        UniqueFunction<void(S&)>& handler, const SourceLocation& at) {
  Semaphore::Permit permit(slots_);
  // Destroyed in this order: who gets the permit finds the stream closed.
  connections.spawn([this, &handler, permit = std::move(permit),
                     peer = listener.accept()]() mutable { attend(peer, [&] { handler(peer); }); },
                    options_.fiber, at);
}

// After a failed accept the listener pauses by itself. Without memory for a stack, a try
// at once would accept the next peer, too, only to drop it.
void Server::accept_all(const std::function<void()>& accept_next, const Listener& listener) {
  while (!is_stopping() && !listener.is_closing()) {
    std::exception_ptr failure;
    bool lacks_memory = false;
    try {
      accept_next();
      ++counts_.accepted;
    } catch (const std::system_error&) {
      failure = std::current_exception();
    } catch (const std::bad_alloc&) {
      failure = std::current_exception();
      lacks_memory = true;
    }
    if (failure == nullptr) continue;
    ++counts_.accept_errors;
    report(failure, "accept failed");
    if (lacks_memory) sleep_for(kPause);
  }
}

void Server::attend(Stream& peer, const std::function<void()>& handle) {
  std::exception_ptr failure;
  try {
    handle();
  } catch (const Cancelled&) {
    ++counts_.cancelled;
    throw;
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure == nullptr) {
    ++counts_.finished;
    return;
  }
  ++counts_.failed;
  report(failure, describe_failure(peer));
}

void Server::report(const std::exception_ptr& error, const std::string& what) {
  if (options_.on_error) return options_.on_error(error);
  if (is_lost_peer(error)) return;
  weft::detail::report_uncaught(weft::detail::EventLoop::current("serve"), error, what.c_str());
}

}  // namespace weft::io
