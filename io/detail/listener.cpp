#include <algorithm>
#include <cerrno>
#include <new>
#include <sys/socket.h>

#include <weft/ctx/error.h>
#include <weft/ctx/snapshot.h>
#include <weft/io/detail/listener.h>
#include <weft/io/detail/poll_set.h>
#include <weft/runtime/detail/report.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

constexpr std::chrono::milliseconds kPauseMin(5);
constexpr std::chrono::milliseconds kPauseMax(1000);

}  // namespace

Listener::Listener(EventLoop& loop, ResourceType type, Descriptor socket)
    : Handle(loop, type), socket_(std::move(socket)) {
  uv_check(uv_poll_init(loop.uv(), &handle_, socket_.get()), "listen");
  set_data();
}

void Listener::watch(bool on) noexcept {
  if (is_closing()) return;
  is_watching_ = on;
  is_resting_ = false;
  // UV_DISCONNECT does not happen to a socket that listens.
  uv_must(uv_poll_start(&handle_, on ? UV_READABLE : UV_DISCONNECT,
                        [](uv_poll_t* handle, int status, int) {
                          static_cast<Listener&>(from(handle->data)).is_ready(status);
                        }));
}

std::string Listener::describe(std::string_view what) const noexcept {
  return text_or_nothing([&] { return std::string(what) + " " + name(); });
}

void Listener::is_ready(int status) noexcept {
  const bool was_stopped = status < 0;  // libuv stops watching a socket with an error
  if (!is_wanted()) {
    has_waiting_ = true;
    if (!was_stopped) watch(false);
    return;
  }
  if (was_stopped) watch(true);
  hand_over();  // accept(2) tells the error
}

// One: while more wait, libuv calls again in the next turn.
void Listener::hand_over() {
  if (!is_wanted() || !is_watching_ || is_closing()) return;
  std::optional<Result<StreamPtr>> taken = take();
  if (!taken) return;
  if (accept_) {
    accept_.complete(loop(), resource(), *std::move(taken));
  } else if (*taken) {
    connection_handler_.call(loop(), resource(), (*std::move(taken)).value());
  } else {
    tell_error(taken->failure());
  }
}

// Lost peers are told of, handler or not; of a row of failures, the first.
void Listener::tell_error(const Error& error) {
  if (error_handler_) return error_handler_.call(loop(), resource(), error);
  if (pause_ > kPauseMin) return;
  loop().call(resource(), [&] {
    report_uncaught(loop(), std::make_exception_ptr(std::system_error(error.code, error.doing)),
                    "cannot accept; will try again");
  });
}

std::optional<Result<StreamPtr>> Listener::take() noexcept {
  Descriptor accepted(
      above_standard(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
  if (accepted.get() >= 0) return taken(std::move(accepted));
  // One that came to nothing is no reason to look for others now.
  const bool is_nothing = errno == EAGAIN || errno == EWOULDBLOCK;
  if (is_nothing || errno == EINTR || errno == ECONNABORTED) return std::nullopt;
  Error error = uv_error(uv_translate_sys_error(errno), describe("accept"));
  ++accept_errors_;
  pause();
  return Result<StreamPtr>(std::move(error));
}

Result<StreamPtr> Listener::taken(Descriptor accepted) noexcept {
  Result<StreamPtr> wrapped = wrap_or_error(std::move(accepted));
  if (wrapped) {
    pause_ = {};
    ++accepted_;
  } else {
    ++accept_errors_;
    pause();
  }
  return wrapped;
}

Result<StreamPtr> Listener::wrap_or_error(Descriptor accepted) noexcept {
  try {
    Result<StreamPtr> wrapped = wrap(std::move(accepted));
    if (wrapped) (*wrapped)->set_created_at(created_at());
    return wrapped;
  } catch (const std::bad_alloc&) {
    return uv_error(UV_ENOMEM, describe("accept"));
  }
}

// The timer is nobody's: it must not keep the context of who happened to accept. Without
// memory for it there is no pause.
void Listener::pause() noexcept {
  pause_ = pause_ == std::chrono::milliseconds(0) ? kPauseMin : std::min(2 * pause_, kPauseMax);
  const auto arm = [this] { resume_ = set_timeout(pause_, [this] { resume(); }); };
  try {
    detached(arm);
  } catch (const std::bad_alloc&) {
    return;
  }
  is_watching_ = false;
  is_resting_ = true;
  uv_must(uv_poll_stop(&handle_));
  if (uv_has_ref(raw()) == 0) resume_.unref();
}

// libuv adds the descriptor to what it polls, and ends the process if that fails.
void Listener::resume() noexcept {
  add_to_poll_set(loop().uv(), socket_.get()) < 0 ? pause() : watch(true);
}

std::optional<Result<StreamPtr>> Listener::accept(Done<StreamPtr> done) {
  if (accept_ && !is_closing()) {
    throw UsageError("accept: another accept is pending; one at a time");
  }
  if (connection_handler_) {
    throw UsageError("accept: on_connection() takes what arrives; use one of the two");
  }
  if (is_closing()) {
    return Result<StreamPtr>(uv_error(UV_EBADF, "accept: the listener is closed"));
  }
  if (has_waiting_) {
    has_waiting_ = false;
    watch(true);
    if (auto taken = take()) return taken;
  }
  accept_.take(done);
  return std::nullopt;
}

void Listener::cancel_accept() {
  accept_.complete(loop(), resource(), uv_error(UV_ECANCELED, describe("accept")));
}

void Listener::on_connection(UniqueFunction<void(StreamPtr)> handler) {
  if (accept_) throw UsageError("on_connection: an accept is pending; use one of the two");
  // First what may throw: with no handler then, the tick does nothing.
  if (has_waiting_ && !is_closing()) {
    loop().add_tick(std::make_unique<Tick>(
        [this] {
          if (!has_waiting_ || !connection_handler_ || is_closing()) return;
          has_waiting_ = false;
          watch(true);
          hand_over();
        },
        AsyncResourceOptions{.trigger = resource().async_id()}));
  }
  connection_handler_.set(std::move(handler));
}

void Listener::begin_close() noexcept {
  socket_.reset();
  resume_.clear();
}

void Listener::end_pending() noexcept {
  if (accept_) cancel_accept();
}

// A server's close has no callback in Node; its 'close' event is a tick.
void Listener::tell_closed(PersistentHandler<>& handler) {
  tell_closed_on_tick(handler);
}

void Listener::drop_handlers() noexcept {
  connection_handler_.clear();
  error_handler_.clear();
}

}  // namespace weft::detail
