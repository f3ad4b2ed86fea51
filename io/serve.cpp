#include <chrono>
#include <new>
#include <system_error>

#include <weft/ctx/error.h>
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

}  // namespace

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

void Server::serve(TcpListener listener, Handler handler) {
  serve_all<TcpStream>(std::move(listener), std::move(handler));
}
void Server::serve(PipeListener listener, PipeHandler handler) {
  serve_all<PipeStream>(std::move(listener), std::move(handler));
}

template <typename S>
void Server::serve_all(ListenerOf<S> listener, UniqueFunction<void(S&)> handler) {
  if (has_served_) throw UsageError("serve: this Server has served; make one for each serve()");
  if (!handler) throw UsageError("serve: the handler is empty");
  has_served_ = true;
  task_group([&](TaskGroup& connections) {
    const auto accept_next = [&] { accept_one(connections, listener, handler); };
    accepting_.run([&] { accept_all(accept_next, listener); });
    listener.close();
    connections.cancel_scope().set_deadline(weft::detail::deadline_after(options_.grace));
  });
}

template <typename S>
void Server::accept_one(TaskGroup& connections, ListenerOf<S>& listener,
                        UniqueFunction<void(S&)>& handler) {
  Semaphore::Permit permit(slots_);
  // Destroyed in this order: who gets the permit finds the stream closed.
  connections.spawn([this, &handler, permit = std::move(permit),
                     peer = listener.accept()]() mutable { attend([&] { handler(peer); }); },
                    options_.fiber);
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

void Server::attend(const std::function<void()>& handle) {
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
  report(failure, "a connection failed");
}

void Server::report(const std::exception_ptr& error, const char* what) {
  if (options_.on_error) return options_.on_error(error);
  if (is_lost_peer(error)) return;
  weft::detail::report_uncaught(weft::detail::EventLoop::current(what), error, what);
}

}  // namespace weft::io
