// NameWork: one question about names, on a thread of Pool::dns().
//
// The system's call cannot be stopped, and a name server may take minutes. So a work
// owns all it needs, and who is cancelled goes at once: it is abandoned (work.h).
#pragma once

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <uv.h>

#include <weft/ctx/async_resource.h>
#include <weft/io/address.h>
#include <weft/io/dns.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/work.h>
#include <weft/runtime/pool.h>

namespace weft::detail {

template <typename T>
class NameWork : public Work {
 public:
  NameWork(ResourceType type, const AsyncResourceOptions& options, std::string doing)
      : loop_(EventLoop::current("lookup")), resource_(type, options), doing_(std::move(doing)) {}
  ~NameWork() override = default;

  // Leaf. Owns itself from here on, until it has called back and ended.
  static std::optional<Result<T>> start(std::unique_ptr<NameWork> work, Done<T> done) {
    if (auto error = start_work(work->loop_, Pool::dns(), *work)) {
      error->doing = work->doing_ + ": " + error->doing;
      return Result<T>(*std::move(error));
    }
    NameWork& started = *work.release();
    started.done_.take(done, ResourceAccess::frame(started.resource_));
    return std::nullopt;
  }

  const AsyncResource* resource() const noexcept final { return &resource_; }

  // Ends the wait with operation_canceled, on the spot.
  void cancel() noexcept {
    if (!cancel_work(*this) && abandon_work(*this)) return;
    tell_cancelled();
  }

 protected:
  // What blocks. `loop` is there to be counted on: libuv counts requests, also those it
  // answers in the call, and no other thread may do that with the loop which waits.
  virtual int ask(uv_loop_t& loop, T& answer) = 0;

 private:
  void run() noexcept final {
    uv_loop_t own;
    own.backend_fd = -1;
    code_ = uv_loop_init(&own);
    if (code_ < 0) {
      if (own.backend_fd >= 0) ::close(own.backend_fd);  // libuv 1.44 leaves it open
      return;
    }
    try {
      code_ = ask(own, answer_);
    } catch (const std::bad_alloc&) {
      code_ = UV_ENOMEM;
    }
    uv_must(uv_loop_close(&own));
  }
  void tell_cancelled() noexcept {
    done_.complete(loop_, resource_, uv_error(UV_ECANCELED, std::move(doing_)));
  }
  void let_go() noexcept final {
    tell_cancelled();
    ResourceAccess::end(resource_);
  }
  void end(bool was_cancelled) noexcept final {
    const std::unique_ptr<NameWork> self(this);
    if (was_cancelled) code_ = UV_ECANCELED;
    if (code_ < 0) {
      done_.complete(loop_, resource_, uv_error(code_, std::move(doing_)));
    } else {
      done_.complete(loop_, resource_, std::move(answer_));
    }
  }

  EventLoop& loop_;
  AsyncResource resource_;
  Completion<T> done_;  // empty: cancelled
  std::string doing_;
  // Of the pool's thread while run() is.
  T answer_;
  int code_ = 0;
};

using Addresses = std::vector<io::Address>;
using Lookup = NameWork<Addresses>;

struct LookupRequest {
  std::string host = {};
  io::LookupOptions options = {};
  std::string doing = {};               // "lookup localhost", for errors
  std::optional<AsyncId> trigger = {};  // default: the running resource
};

// Errors: UsageError, which begins with `what`, for what no host is called.
void check_host(const char* what, std::string_view host);

std::unique_ptr<Lookup> make_lookup(LookupRequest request);

}  // namespace weft::detail
