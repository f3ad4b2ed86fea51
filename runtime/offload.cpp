#include <exception>
#include <memory>
#include <optional>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/detail/call_scope.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/offload_work.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {
namespace {

class OffloadWork final : public Work {
 public:
  // With `shared`, which is `call`, it owns itself and all it touches: it may be abandoned.
  OffloadWork(EventLoop& loop, OffloadedCall& call, bool owns_itself,
              std::shared_ptr<OffloadedCall> shared = nullptr)
      : loop_(loop),
        resource_("OFFLOAD"),
        call_(call),
        shared_call_(std::move(shared)),
        frame_(PortableFrame::capture(ResourceAccess::frame(resource_).get())),
        owns_itself_(owns_itself) {}
  ~OffloadWork() override = default;

  const AsyncResource* resource() const noexcept override { return &resource_; }

  // Leaf.
  std::optional<Result<void>> start(Pool& pool, Done<void> done) {
    done_.take(done, ResourceAccess::frame(resource_));
    auto error = start_work(loop_, pool, *this);
    if (!error) return std::nullopt;
    done_.give_back(done);
    error->doing.insert(0, "offload: ");
    return Result<void>(*std::move(error));
  }

 private:
  void run() noexcept override {
    const CallScope scope(resource_, std::move(frame_).take());
    try {
      call_.call();
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }
  void let_go() noexcept override {
    done_.complete(loop_, resource_, uv_error(UV_ECANCELED, "offload"));
    ResourceAccess::end(resource_);
  }
  // A waited-for work may be gone once its fiber was woken.
  void end(bool was_cancelled) noexcept override {
    const std::unique_ptr<OffloadWork> self(owns_itself_ ? this : nullptr);
    if (was_cancelled) {
      done_.complete(loop_, resource_, uv_error(UV_ECANCELED, "offload"));
    } else if (thrown_ != nullptr) {
      done_.complete(loop_, resource_, failure());
    } else {
      done_.complete(loop_, resource_, Result<void>());
    }
  }

  Error failure() noexcept {
    Error error = uv_error(
        UV_UNKNOWN, text_or_nothing([&] { return "offload: " + describe_exception(thrown_); }));
    try {
      std::rethrow_exception(thrown_);
    } catch (const std::system_error& thrown) {
      error.code = thrown.code();
    } catch (...) {  // NOLINT(bugprone-empty-catch): it goes on in the error
    }
    error.exception = std::move(thrown_);
    return error;
  }

  EventLoop& loop_;
  AsyncResource resource_;
  OffloadedCall& call_;
  std::shared_ptr<OffloadedCall> shared_call_;  // null: the call is who waits' own
  PortableFrame frame_;                         // ends on the pool's thread
  const bool owns_itself_;
  std::exception_ptr thrown_;
  Completion<void> done_;
};

}  // namespace

void wait_offloaded(Pool& pool, OffloadedCall& call) {
  const Fiber& self = fiber_that_may_wait("offload");
  OffloadWork work(*self.loop, call, false);
  await_leaf<void>(
      "offload", [&](Done<void> done) { return work.start(pool, done); },
      [&] { cancel_work(work); });
}

void wait_abandonable(Pool& pool, const std::shared_ptr<OffloadedCall>& call) {
  const Fiber& self = fiber_that_may_wait("offload");
  auto work = std::make_unique<OffloadWork>(*self.loop, *call, true, call);
  OffloadWork& started = *work;
  await_leaf<void>(
      "offload",
      [&](Done<void> done) {
        auto refused = started.start(pool, done);
        if (!refused) static_cast<void>(work.release());  // its own, until it has ended
        return refused;
      },
      [&] {
        if (!cancel_work(started)) abandon_work(started);
      });
}

void start_offloaded(Pool& pool, OffloadedCall& call, Callback<void> done) {
  EventLoop& loop = EventLoop::current("offload");
  auto work = std::make_unique<OffloadWork>(loop, call, true);
  if (auto refused = work->start(pool, Done<void>(done))) {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): it was given back
    complete_soon<void>(loop, work->resource()->async_id(), std::move(done), *std::move(refused));
    return;
  }
  static_cast<void>(work.release());  // its own, until it has ended
}

}  // namespace weft::detail
