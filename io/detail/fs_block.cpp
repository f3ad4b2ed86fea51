#include <weft/ctx/error.h>
#include <weft/io/detail/fs_block.h>
#include <weft/io/detail/owner.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/pool.h>

namespace weft::detail {

// --- uses ---

bool FsBlock::enter(const char* what) {
  EventLoop& loop = EventLoop::current(what);
  const bool is_bound = passes_ > 0 || state_ == State::kClosing;
  if (is_bound && loop_ != &loop) raise_other_thread(what);
  loop_ = &loop;
  ++passes_;
  if (!is_open()) return false;
  ++uses_;
  return true;
}

void FsBlock::leave(bool was_use) noexcept {
  if (was_use && --uses_ == 0 && state_ == State::kClosing && !start_close()) {
    close_here();
    tell_closed();
  }
  --passes_;
  free_if_done();
}

void FsBlock::free_if_done() noexcept {
  if (state_ == State::kClosed && !is_owned_ && passes_ == 0) delete this;
}

// --- the close ---

std::optional<Result<void>> FsBlock::close(Done<void> done) {
  if (!is_open()) return Result<void>(uv_error(UV_EBADF, "close " + name_));
  EventLoop& loop = EventLoop::current("close");
  if (passes_ > 0 && loop_ != &loop) raise_other_thread("close");
  loop_ = &loop;
  resource_.emplace("FSREQCALLBACK");
  state_ = State::kClosing;
  if (uses_ == 0 && !start_close()) {
    close_here();
    resource_.reset();
    was_closed();
    return outcome();
  }
  closed_.take(done, ResourceAccess::frame(*resource_));
  return std::nullopt;
}

void FsBlock::cancel_close() noexcept {
  closed_.complete(*loop_, *resource_, uv_error(UV_ECANCELED, describe_close()));
}

void DropFsBlock::operator()(FsBlock* block) const noexcept {
  block->drop();
}

void FsBlock::drop() noexcept {
  is_owned_ = false;
  if (is_open()) {
    // On another thread there is nobody to tell: a destructor cannot throw.
    WEFT_CHECK(passes_ == 0 || loop_ == EventLoop::current_or_null());
    state_ = State::kClosing;
    if (passes_ == 0) loop_ = EventLoop::current_or_null();
    if (uses_ == 0 && !start_close()) close_here();
  }
  free_if_done();
}

// Hands the close to the pool, where a loop is there to hear of its end.
bool FsBlock::start_close() noexcept {
  if (loop_ == nullptr || !loop_->takes_works()) return false;
  try {
    return !start_work(*loop_, Pool::fs(), *this);
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void FsBlock::close_here() noexcept {
  run();
  state_ = State::kClosed;
}

void FsBlock::run() noexcept {
  code_ = close_now();
}

void FsBlock::end(bool /*was_cancelled*/) noexcept {
  state_ = State::kClosed;
  ++passes_;  // who hears of it may drop the owner
  tell_closed();
  --passes_;
  free_if_done();
}

void FsBlock::tell_closed() noexcept {
  if (resource_) {
    closed_.complete(*loop_, *resource_, outcome());
    resource_.reset();
  }
  was_closed();
}

Result<void> FsBlock::outcome() const {
  if (code_ < 0) return uv_error(code_, describe_close());
  return {};
}

std::string FsBlock::describe_close() const noexcept {
  return text_or_nothing([&] { return "close " + name_; });
}

void wait_closed(FsBlock& block) {
  await_leaf<void>(
      "close", [&](Done<void> done) { return block.close(done); }, [&] { block.cancel_close(); });
}

void start_close(FsBlock& block, Callback<void> done) {
  require_callback(done, "close");
  auto at_once = block.close(Done<void>(done));
  if (!at_once) return;
  complete_soon<void>(EventLoop::current("close"), running_async_id(), std::move(done),
                      *std::move(at_once));
}

}  // namespace weft::detail
