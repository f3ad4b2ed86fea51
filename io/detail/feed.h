// Feed: a handle that tells something again and again, to a handler or to whoever waits
// for the next. What comes while nobody takes it is kept, in a way of the kind of handle.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

// For messages.
struct FeedWords {
  const char* wait;     // "next"
  const char* handler;  // "on_change"
  const char* owner;    // "watch"
};
inline constexpr FeedWords kWatchWords = {"next", "on_change", "watch"};

// The path of a watch.
// Errors: UsageError for one with a null character in it, which would be another's.
inline std::string watched(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) {
    throw UsageError("watch: the path has a null character in it");
  }
  return std::string(path);
}

template <typename T>
class Feed : public Handle {
 public:
  // Leaf.
  std::optional<Result<T>> next(Done<T> done) {
    const std::string what = words_.wait;
    require_callback(done, words_.wait);
    if (is_closing()) {
      return Result<T>(uv_error(UV_EBADF, what + ": the " + words_.owner + " is closed"));
    }
    if (waiter_) throw UsageError(what + ": another wait is pending; one at a time");
    if (handler_) {
      throw UsageError(what + ": " + words_.handler + "() takes what comes; use one of the two");
    }
    if (has_kept()) return Result<T>(take_kept().event);
    waiter_.take(done);
    waits(true);
    return std::nullopt;
  }
  // Ends the pending wait with operation_canceled.
  void cancel_next() { finish(resource(), uv_error(UV_ECANCELED, describe())); }

  void on_next(UniqueFunction<void(T)> handler) {
    if (waiter_) {
      throw UsageError(std::string(words_.handler) + ": a wait is pending; use one of the two");
    }
    handler_.set(std::move(handler));
    if (!has_kept() || !handler_ || is_closing()) return;
    loop().add_tick(std::make_unique<Tick>([this] { deliver_kept(); },
                                           AsyncResourceOptions{.trigger = resource().async_id()}));
  }

 protected:
  struct Kept {
    AsyncResource& as;  // whose callback tells it
    T event;
  };

  Feed(EventLoop& loop, ResourceType type, const FeedWords& words)
      : Handle(loop, type), words_(words) {}
  ~Feed() override = default;

  // What it does, to what: for errors.
  // Empty where there is no memory for it.
  virtual std::string describe() const noexcept = 0;
  virtual bool has_kept() const noexcept = 0;
  // Called only when there is one.
  virtual Kept take_kept() = 0;
  // Somebody begins to wait, or does no longer.
  virtual void waits(bool /*begins*/) noexcept {}

  bool has_waiter() const noexcept { return static_cast<bool>(waiter_); }
  // Whether an event that comes is for somebody at once; else it is to be kept.
  bool is_taken() const noexcept { return waiter_ || (handler_ && !has_kept()); }
  void tell(AsyncResource& as, T event) {
    if (waiter_) return finish(as, std::move(event));
    handler_.call(loop(), as, std::move(event));
  }
  void finish(AsyncResource& as, Result<T> result) {
    waits(false);
    waiter_.complete(loop(), as, std::move(result));
  }

  void end_pending() noexcept override {
    if (waiter_) cancel_next();
  }
  void drop_handlers() noexcept override { handler_.clear(); }
  void tell_closed(PersistentHandler<>& handler) override { tell_closed_on_tick(handler); }

 private:
  // What came before the handler, which may close the handle or go itself.
  void deliver_kept() {
    while (has_kept() && handler_ && !is_closing()) {
      Kept kept = take_kept();
      handler_.call(loop(), kept.as, std::move(kept.event));
    }
  }

  const FeedWords& words_;
  Completion<T> waiter_;
  PersistentHandler<T> handler_;
};

}  // namespace weft::detail
