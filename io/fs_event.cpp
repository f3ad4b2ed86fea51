#include <utility>

#include <weft/io/detail/fs_watch.h>
#include <weft/io/detail/owner.h>
#include <weft/io/fs_event.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::start_leaf;

FsEvent::FsEvent(Block block) noexcept : block_(std::move(block)) {}
FsEvent::FsEvent(FsEvent&&) noexcept = default;
FsEvent& FsEvent::operator=(FsEvent&&) noexcept = default;
FsEvent::~FsEvent() = default;

weft::detail::FsWatch& FsEvent::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

FsEvent FsEvent::watch(std::string_view path, FsEventOptions options, const SourceLocation& at) {
  Block block(
      new weft::detail::FsWatch(EventLoop::current("watch"), weft::detail::watched(path), options));
  block->set_created_at(at);
  block->start();
  return FsEvent(std::move(block));
}

FsChange FsEvent::next() {
  auto& watch = block("next");
  return await_leaf<FsChange>(
      "wait for a file to change", [&](Done<FsChange> done) { return watch.next(done); },
      [&] { watch.cancel_next(); });
}
void FsEvent::next(Callback<FsChange> done) {
  auto& watch = block("next");
  start_leaf(watch, std::move(done), [&](auto callback) { return watch.next(callback); });
}

void FsEvent::on_change(UniqueFunction<void(FsChange)> handler) {
  block("on_change").on_next(std::move(handler));
}
void FsEvent::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void FsEvent::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}

void FsEvent::close() {
  if (block_ != nullptr) block("close").close();
}
bool FsEvent::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void FsEvent::wait_closed() {
  auto& watch = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return watch.closed(done); },
      [&] { watch.cancel_closed(); });
}

void FsEvent::ref() {
  block("ref").set_referenced(true);
}
void FsEvent::unref() {
  block("unref").set_referenced(false);
}
AsyncId FsEvent::async_id() const {
  return block("async_id").resource().async_id();
}

}  // namespace weft::io
