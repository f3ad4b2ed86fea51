#include <chrono>
#include <string>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/fs_poller.h>
#include <weft/io/detail/owner.h>
#include <weft/io/fs_poll.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;

FsPoll::FsPoll(Block block) noexcept : block_(std::move(block)) {}
FsPoll::FsPoll(FsPoll&&) noexcept = default;
FsPoll& FsPoll::operator=(FsPoll&&) noexcept = default;
FsPoll::~FsPoll() = default;

weft::detail::FsPoller& FsPoll::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

FsPoll FsPoll::watch(std::string_view path, FsPollOptions options, const SourceLocation& at) {
  if (options.interval < std::chrono::milliseconds(1)) {
    throw UsageError("watch: the interval is below one millisecond");
  }
  Block block(new weft::detail::FsPoller(EventLoop::current("watch"), weft::detail::watched(path),
                                         options.interval));
  block->set_created_at(at);
  block->look();
  return FsPoll(std::move(block));
}

FsPollChange FsPoll::next() {
  auto& watch = block("next");
  return await_leaf<FsPollChange>(
      "wait for a file to change", [&](Done<FsPollChange> done) { return watch.next(done); },
      [&] { watch.cancel_next(); });
}
void FsPoll::next(Callback<FsPollChange> done) {
  auto& watch = block("next");
  start_leaf(watch, std::move(done), [&](auto callback) { return watch.next(callback); });
}

void FsPoll::on_change(UniqueFunction<void(FsPollChange)> handler) {
  block("on_change").on_next(std::move(handler));
}
void FsPoll::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}

void FsPoll::close() {
  if (block_ != nullptr) block("close").close();
}
bool FsPoll::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void FsPoll::wait_closed() {
  auto& watch = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return watch.closed(done); },
      [&] { watch.cancel_closed(); });
}

void FsPoll::ref() {
  block("ref").keep_alive(true);
}
void FsPoll::unref() {
  block("unref").keep_alive(false);
}
AsyncId FsPoll::async_id() const {
  return block("async_id").resource().async_id();
}

}  // namespace weft::io
