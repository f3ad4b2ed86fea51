#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/ctx/error.h>
#include <weft/io/detail/udp_send.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// "send_to 127.0.0.1:80"
std::string describe(UdpSocket& socket, const io::Datagram& datagram, const char* what) noexcept {
  if (socket.peer() != nullptr) return socket.describe(what);
  return text_or_nothing([&] { return std::string(what) + " " + datagram.peer.to_string(); });
}

Error closed_error(const char* what) {
  return uv_error(UV_EBADF, std::string(what) + ": the socket is closed");
}

// What became of the datagrams of one call.
struct Outcome {
  std::size_t sent = 0;
  Error first_error = {};

  void add(int code, UdpSocket& socket, const io::Datagram& datagram, const char* what) {
    if (code >= 0) {
      ++sent;
    } else if (!first_error.code) {
      first_error = uv_error(code, describe(socket, datagram, what));
    }
  }
};

// Of a call for one datagram, and of one for many.
template <typename T>
Result<T> result_of(Outcome outcome) {
  const bool has_failed = static_cast<bool>(outcome.first_error.code);
  if constexpr (std::is_void_v<T>) {
    Result<void> result;
    if (has_failed) result = std::move(outcome.first_error);
    return result;
  } else {
    if (has_failed && outcome.sent == 0) return std::move(outcome.first_error);
    return outcome.sent;
  }
}

}  // namespace

class UdpSend {
 public:
  UdpSend(UdpSocket& socket, const char* what, Datagrams rest, Outcome outcome)
      : socket_(socket),
        resource_("UDPSENDWRAP", {.trigger = socket.resource().async_id()}),
        what_(what),
        datagrams_(rest.begin(), rest.end()),
        requests_(rest.size()),
        outcome_(std::move(outcome)) {
    for (const io::Datagram& datagram : datagrams_) {
      bytes_.insert(bytes_.end(), datagram.bytes.begin(), datagram.bytes.end());
    }
    const std::byte* at = bytes_.data();
    for (io::Datagram& datagram : datagrams_) {
      datagram.bytes = {at, datagram.bytes.size()};
      at += datagram.bytes.size();
    }
  }
  UdpSend(const UdpSend&) = delete;
  UdpSend& operator=(const UdpSend&) = delete;
  virtual ~UdpSend() = default;

  virtual void cancel() = 0;

  // Hands everything to libuv, which owns *this from then on; false when it took nothing.
  bool start() noexcept {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      const uv_buf_t buffer = to_uv(datagrams_[i].bytes);
      const sockaddr* const to = socket_.peer() == nullptr ? datagrams_[i].peer.raw() : nullptr;
      requests_[i].data = this;
      const int code = uv_udp_send(&requests_[i], socket_.udp(), &buffer, 1, to, &on_sent);
      code < 0 ? outcome_.add(code, socket_, datagrams_[i], what_) : void(++pending_);
    }
    return pending_ > 0;
  }
  Outcome& outcome() noexcept { return outcome_; }

 protected:
  virtual void finish() = 0;
  Error cancelled() { return uv_error(UV_ECANCELED, describe(socket_, datagrams_[0], what_)); }

  UdpSocket& socket_;
  AsyncResource resource_;

 private:
  static void on_sent(uv_udp_send_t* request, int status) noexcept {
    auto* const self = static_cast<UdpSend*>(request->data);
    const auto index = static_cast<std::size_t>(request - self->requests_.data());
    if (status == UV_EBADF && self->socket_.is_closing()) status = UV_ECANCELED;  // invariant 6
    self->outcome_.add(status, self->socket_, self->datagrams_[index], self->what_);
    if (--self->pending_ > 0) return;
    const std::unique_ptr<UdpSend> ended(self);
    ended->finish();
  }

  const char* what_;
  std::vector<io::Datagram> datagrams_;
  std::vector<std::byte> bytes_;  // of all of them
  std::vector<uv_udp_send_t> requests_;
  std::size_t pending_ = 0;  // with libuv
  Outcome outcome_;
};

namespace {

template <typename T>
class SendOf final : public UdpSend {
 public:
  using UdpSend::UdpSend;

  void take(Done<T> done) noexcept { done_.take(done, ResourceAccess::frame(resource_)); }
  void give_back(Done<T> done) noexcept { done_.give_back(done); }
  void cancel() override { done_.complete(socket_.loop(), resource_, cancelled()); }

 protected:
  void finish() override {
    done_.complete(socket_.loop(), resource_, result_of<T>(std::move(outcome())));
  }

 private:
  Completion<T> done_;
};

template <typename T>
std::optional<Result<T>> request_send(std::unique_ptr<SendOf<T>> send, Done<T> done,
                                      UdpSend** started) {
  send->take(done);
  if (!send->start()) {
    send->give_back(done);
    return result_of<T>(std::move(send->outcome()));
  }
  if (started != nullptr) *started = send.get();
  static_cast<void>(send.release());  // libuv's until its last callback
  return std::nullopt;
}

}  // namespace

std::optional<Result<void>> send_more(UdpSocket& socket, const Attempt& attempt, Done<void> done,
                                      UdpSend** started) {
  const auto& [what, datagram, code] = attempt;
  if (code >= 0) return Result<void>();
  if (socket.is_closing()) return Result<void>(closed_error(what));
  if (code != UV_EAGAIN) return Result<void>(uv_error(code, describe(socket, datagram, what)));
  return request_send(
      std::make_unique<SendOf<void>>(socket, what, Datagrams(&datagram, 1), Outcome()), done,
      started);
}

std::optional<Result<std::size_t>> send_batch(UdpSocket& socket, Datagrams datagrams,
                                              Done<std::size_t> done, UdpSend** started) {
  constexpr const char* kWhat = "send_batch";
  if (socket.is_closing()) return Result<std::size_t>(closed_error(kWhat));
  Outcome outcome;
  for (; !datagrams.empty(); datagrams = datagrams.subspan(1)) {
    const io::Datagram& next = datagrams.front();
    const int code = socket.send_now(next.bytes, socket.peer() == nullptr ? &next.peer : nullptr);
    if (code == UV_EAGAIN) break;
    outcome.add(code, socket, next, kWhat);
  }
  if (datagrams.empty()) return result_of<std::size_t>(std::move(outcome));
  return request_send(
      std::make_unique<SendOf<std::size_t>>(socket, kWhat, datagrams, std::move(outcome)), done,
      started);
}

void cancel_send(UdpSend& send) {
  send.cancel();
}

}  // namespace weft::detail
