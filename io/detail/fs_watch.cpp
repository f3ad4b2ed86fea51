#include <algorithm>
#include <new>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/fs_watch.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

FsWatch::FsWatch(EventLoop& loop, std::string path, const io::FsEventOptions& options)
    : Handle(loop, "FSEVENTWRAP"), path_(std::move(path)), options_(options) {
  uv_must(uv_fs_event_init(loop.uv(), &handle_));
  set_data();
}

// libuv takes the flag and does nothing where the system has no such watch.
void FsWatch::start() {
#ifdef __linux__
  if (options_.recursive) uv_check(UV_ENOTSUP, "watch " + path_ + " and what is below");
#endif
  const unsigned flags = options_.recursive ? UV_FS_EVENT_RECURSIVE : 0;
  uv_check(uv_fs_event_start(&handle_, &on_event, path_.c_str(), flags), "watch " + path_);
}

void FsWatch::on_event(uv_fs_event_t* handle, const char* name, int events, int status) {
  auto& self = static_cast<FsWatch&>(from(handle->data));
  if (status < 0) return self.failed(status);
  io::FsChange change = {.renamed = (events & UV_RENAME) != 0,
                         .changed = (events & UV_CHANGE) != 0};
  try {
    if (name != nullptr) change.name = name;
  } catch (const std::bad_alloc&) {
    change = {.overflowed = true};
  }
  self.happened(std::move(change));
}

void FsWatch::happened(io::FsChange change) {
  if (next_) {
    next_.complete(loop(), resource(), std::move(change));
  } else if (change_handler_ && !has_kept()) {
    change_handler_.call(loop(), resource(), std::move(change));
  } else {
    keep(std::move(change));
  }
}

void FsWatch::failed(int code) {
  if (next_) return next_.complete(loop(), resource(), uv_error(code, "watch " + path_));
  if (error_handler_) {
    return error_handler_.call(loop(), resource(), uv_error(code, "watch " + path_));
  }
  failure_ = code;
}

void FsWatch::keep(io::FsChange change) noexcept {
  if (has_overflowed_) return;
  const auto same = std::find_if(kept_.begin(), kept_.end(), [&](const io::FsChange& kept) {
    return kept.name == change.name;
  });
  if (same != kept_.end() && !change.overflowed) {
    same->renamed |= change.renamed;
    same->changed |= change.changed;
    return;
  }
  has_overflowed_ = change.overflowed || kept_.size() >= options_.pending_max;
  try {
    if (!has_overflowed_) kept_.push_back(std::move(change));
  } catch (const std::bad_alloc&) {
    has_overflowed_ = true;
  }
  if (has_overflowed_) kept_.clear();
}

io::FsChange FsWatch::take_kept() {
  if (std::exchange(has_overflowed_, false)) return {.overflowed = true};
  io::FsChange first = std::move(kept_.front());
  kept_.pop_front();
  return first;
}

std::optional<Result<io::FsChange>> FsWatch::next(Done<io::FsChange> done) {
  require_callback(done, "next");
  if (is_closing()) return Result<io::FsChange>(uv_error(UV_EBADF, "next: the watch is closed"));
  if (next_) throw UsageError("next: another wait for a change is pending; one at a time");
  if (change_handler_) throw UsageError("next: on_change() takes what comes; use one of the two");
  if (has_kept()) return Result<io::FsChange>(take_kept());
  if (failure_ != 0) {
    return Result<io::FsChange>(uv_error(std::exchange(failure_, 0), "watch " + path_));
  }
  next_.take(done);
  return std::nullopt;
}

void FsWatch::cancel_next() {
  next_.complete(loop(), resource(), uv_error(UV_ECANCELED, "watch " + path_));
}

void FsWatch::on_change(UniqueFunction<void(io::FsChange)> handler) {
  if (next_) throw UsageError("on_change: a wait is pending; use one of the two");
  change_handler_.set(std::move(handler));
  if (!has_kept() || !change_handler_ || is_closing()) return;
  loop().add_tick(std::make_unique<Tick>([this] { deliver_kept(); },
                                         AsyncResourceOptions{.trigger = resource().async_id()}));
}

// What happened before the handler came, which may close the watch or go itself.
void FsWatch::deliver_kept() {
  while (has_kept() && change_handler_ && !is_closing()) {
    change_handler_.call(loop(), resource(), take_kept());
  }
}

void FsWatch::end_pending() noexcept {
  if (next_) cancel_next();
}

void FsWatch::drop_handlers() noexcept {
  change_handler_.clear();
  error_handler_.clear();
}

}  // namespace weft::detail
