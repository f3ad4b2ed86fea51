#include <new>
#include <utility>

#include <weft/io/detail/file_stat.h>
#include <weft/io/detail/fs_poller.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/pool.h>

namespace weft::detail {
namespace {

// Reading a file is no change of it.
bool is_changed(io::FileStat before, const io::FileStat& after) noexcept {
  before.accessed = after.accessed;
  return before != after;
}

}  // namespace

// --- StatWork ---

const AsyncResource* StatWork::resource() const noexcept {
  return poller_ == nullptr ? nullptr : &poller_->resource();
}

void StatWork::run() noexcept {
  uv_fs_t request;
  code_ = uv_fs_stat(nullptr, &request, path_.c_str(), nullptr);
  stat_ = code_ < 0 ? io::FileStat() : to_file_stat(request.statbuf);
  uv_fs_req_cleanup(&request);
}

void StatWork::end(bool /*was_cancelled*/) noexcept {
  if (poller_ == nullptr) {
    delete this;
  } else {
    poller_->looked(code_, stat_);
  }
}

// --- FsPoller ---

FsPoller::Interval::Interval(FsPoller& of) noexcept
    : Alarm([](Alarm& alarm) noexcept { static_cast<Interval&>(alarm).poller.look(); }),
      poller(of) {}

FsPoller::FsPoller(EventLoop& loop, std::string path, std::chrono::milliseconds interval)
    : Feed(loop, "STATWATCHER", kWatchWords),
      path_(std::move(path)),
      interval_ms_(static_cast<std::uint64_t>(interval.count())),
      alarm_(*this),
      work_(std::make_unique<StatWork>(*this, path_)) {
  uv_must(uv_idle_init(loop.uv(), &handle_));  // nothing may throw behind it
  set_data();
}

void FsPoller::look() noexcept {
  loop().timers().update_now();
  looked_at_ms_ = loop().now_ms();
  try {
    is_looking_ = !start_work(loop(), Pool::fs(), *work_).has_value();
  } catch (const std::bad_alloc&) {
    is_looking_ = false;
  }
  if (!is_looking_) wait_for_next_look();  // refused: another time
}

void FsPoller::looked(int code, const io::FileStat& stat) {
  is_looking_ = false;
  const bool is_first = !std::exchange(has_looked_, true);
  const bool is_news = code != code_ || (!is_first && is_changed(stat_, stat));
  io::FsPollChange change = {stat, stat_, {}};
  if (code < 0) change.error = uv_error(code, {}).code;
  code_ = code;
  stat_ = stat;
  wait_for_next_look();
  if (!is_news) return;
  if (is_taken()) return tell(resource(), change);
  if (kept_) change.previous = kept_->previous;
  kept_ = change;
}

void FsPoller::wait_for_next_look() noexcept {
  if (loop().is_stopping()) return close();  // no alarm would ring
  const std::uint64_t took_ms = loop().now_ms() - looked_at_ms_;
  loop().timers().arm(alarm_, looked_at_ms_ + (took_ms / interval_ms_ + 1) * interval_ms_);
}

FsPoller::Kept FsPoller::take_kept() {
  Kept kept = {resource(), *kept_};
  kept_.reset();
  return kept;
}

void FsPoller::keep_alive(bool alive) noexcept {
  if (!is_closing()) loop().timers().set_referenced(alarm_, alive);
}

void FsPoller::begin_close() noexcept {
  loop().timers().disarm(alarm_);
  if (!is_looking_) return;
  work_->leave_poller();
  StatWork& work = *work_.release();  // its own
  if (!cancel_work(work)) abandon_work(work);
}

}  // namespace weft::detail
