#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/name_work.h>
#include <weft/io/detail/tcp_connect.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/timers.h>

namespace weft::detail {
namespace {

constexpr std::chrono::milliseconds kDelayMin{10};  // RFC 8305, and Node

// The families take turns, beginning with that of the first address.
Addresses interleaved(const Addresses& addresses) {
  Addresses same;
  Addresses other;
  for (const io::Address& address : addresses) {
    (address.is_ipv6() == addresses.front().is_ipv6() ? same : other).push_back(address);
  }
  Addresses mixed;
  for (std::size_t i = 0; i < std::max(same.size(), other.size()); ++i) {
    if (i < same.size()) mixed.push_back(same[i]);
    if (i < other.size()) mixed.push_back(other[i]);
  }
  return mixed;
}

}  // namespace

// Owns itself until `done` was called and no attempt is with libuv any more.
class TcpConnect {
 public:
  TcpConnect(EventLoop& loop, ConnectTarget target, Callback<TcpSocketPtr> done)
      : loop_(loop), target_(std::move(target)), first_(new_socket()), done_(std::move(done)) {}
  TcpConnect(const TcpConnect&) = delete;
  TcpConnect& operator=(const TcpConnect&) = delete;
  ~TcpConnect() {
    delay_.clear();
    limit_.clear();
  }

  void start() {
    if (target_.options.timeout.count() > 0) {
      limit_ = set_timeout(target_.options.timeout, [this] {
        cut_by_ = UV_ETIMEDOUT;
        cancel();
      });
    }
    if (target_.addresses.empty()) {
      const auto address = io::Address::try_parse(target_.host, target_.port);
      if (!address) return look_up();
      target_.addresses.push_back(*address);
    }
    try_all(target_.addresses);
  }

  void cancel() noexcept {
    if (is_over_ || std::exchange(is_cancelled_, true)) return;
    if (lookup_ != nullptr) return lookup_->cancel();
    end_attempts();
  }

 private:
  // An attempt for each address that has been tried; null: it has ended.
  using Attempts = std::vector<TcpSocketPtr>;

  TcpSocketPtr new_socket() const {
    TcpSocketPtr socket(new TcpSocket(loop_));
    socket->set_created_at(target_.at);
    return socket;
  }

  // The first socket is there before its address is: it triggers the lookup.
  void look_up() {
    auto lookup = make_lookup({.host = target_.host,
                               .options = {.port = target_.port},
                               .doing = describe(),
                               .trigger = first_->resource().async_id()});
    Callback<Addresses> done = [this](Result<Addresses> found) {
      lookup_ = nullptr;
      if (is_cancelled_ || loop_.is_stopping()) return finish(cut());
      if (!found) return finish(found.failure());
      without_memory_fail([&] { try_all(*found); });
    };
    lookup_ = lookup.get();
    auto refused = Lookup::start(std::move(lookup), Done<Addresses>(done));
    if (!refused) return;
    lookup_ = nullptr;
    complete_soon<Addresses>(loop_, first_->resource().async_id(), std::move(done),
                             *std::move(refused));
  }

  void try_all(const Addresses& addresses) {
    addresses_ = interleaved(addresses);
    attempts_.reserve(addresses_.size());
    try_next();
  }

  void try_next_or_fail() {
    without_memory_fail([this] { try_next(); });
  }
  void try_next() {
    const std::size_t index = attempts_.size();
    TcpSocketPtr socket = index == 0 ? std::move(first_) : new_socket();
    if (index + 1 < addresses_.size()) {
      const auto delay = std::max(target_.options.attempt_delay, kDelayMin);
      delay_ = set_timeout(delay, [this] { try_next_or_fail(); });
    }
    TcpSocket& attempt = *socket;
    attempts_.push_back(std::move(socket));
    attempt.connect(addresses_[index], target_.options.local_address,
                    [this, index](const Result<void>& result) { ended(index, result); });
    ++pending_;
  }

  void ended(std::size_t index, const Result<void>& result) {
    --pending_;
    if (is_over_) return delete_when_idle();  // another one has won
    TcpSocketPtr socket = std::move(attempts_[index]);
    if (result) return finish(std::move(socket));
    delay_.clear();
    if (index >= failed_) {
      failed_ = index;
      error_ = result.failure();
    }
    const bool is_last = attempts_.size() == addresses_.size();
    if (!is_last && !is_cancelled_ && !loop_.is_stopping()) return try_next_or_fail();
    if (pending_ > 0) return;
    const bool is_cut = is_cancelled_ || loop_.is_stopping();
    finish(is_cut ? cut() : error_);
  }

  // What begins an attempt where nobody could catch: the attempts that run go on.
  template <typename F>
  void without_memory_fail(F&& begin) {
    try {
      return begin();
    } catch (const std::bad_alloc&) {
      error_ = uv_error(UV_ENOMEM, describe());
    }
    if (pending_ == 0) finish(error_);
  }

  // Cancelled, out of time, or by the end of the run.
  Error cut() const noexcept { return uv_error(cut_by_, describe()); }

  void end_attempts() noexcept {
    delay_.clear();
    limit_.clear();
    for (TcpSocketPtr& socket : attempts_) {
      if (socket != nullptr) socket->close();
    }
  }

  void finish(Result<TcpSocketPtr> outcome) {
    is_over_ = true;
    end_attempts();
    attempts_.clear();
    Callback<TcpSocketPtr> done = std::move(done_);
    delete_when_idle();
    if (done) done(std::move(outcome));
  }

  void delete_when_idle() noexcept {
    const std::unique_ptr<TcpConnect> self(pending_ == 0 ? this : nullptr);
  }

  // Where no address has failed.
  std::string describe() const noexcept {
    return text_or_nothing([&] {
      if (!target_.host.empty()) {
        return "connect " + target_.host + ":" + std::to_string(target_.port);
      }
      return "connect " + target_.addresses.front().to_string();
    });
  }

  EventLoop& loop_;
  ConnectTarget target_;
  TcpSocketPtr first_;  // until its attempt begins
  Callback<TcpSocketPtr> done_;
  Lookup* lookup_ = nullptr;  // while it has not called back
  Addresses addresses_;
  Attempts attempts_;
  std::size_t pending_ = 0;  // attempts with libuv; each will call ended()
  Timeout delay_;            // until the next attempt
  Timeout limit_;            // of the whole
  int cut_by_ = UV_ECANCELED;
  Error error_;             // of the address tried last
  std::size_t failed_ = 0;  // its index
  bool is_cancelled_ = false;
  bool is_over_ = false;
};

TcpConnect& connect_tcp(EventLoop& loop, ConnectTarget target, Callback<TcpSocketPtr> done) {
  check_host("connect", target.host);
  if (target.options.timeout.count() < 0) {
    throw UsageError("connect: the timeout is negative; 0 is for none");
  }
  auto connect = std::make_unique<TcpConnect>(loop, std::move(target), std::move(done));
  connect->start();
  return *connect.release();
}

void cancel(TcpConnect& connect) noexcept {
  connect.cancel();
}

}  // namespace weft::detail
