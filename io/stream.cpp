#include <weft/io/detail/owner.h>
#include <weft/io/detail/stream.h>
#include <weft/io/stream.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

void raise_moved_from(const char* what) {
  throw UsageError(std::string(what) + ": this object was moved from");
}
void raise_other_thread(const char* what) {
  throw UsageError(std::string(what) +
                   ": this object belongs to the loop of another thread; Loop::post() there");
}

void raise_other_kind(const char* what, const char* kind) {
  throw UsageError(std::string(what) + ": this object holds another stream; it needs a " + kind);
}

}  // namespace weft::detail

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::start_leaf;

Stream::Stream(Block block) noexcept : block_(std::move(block)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

inline weft::detail::Stream& Stream::block(const char* what) const {
  return weft::detail::block_of(block_, what);
}

std::size_t Stream::read(std::span<std::byte> into) {
  auto& stream = block("read");
  return await_leaf<std::size_t>(
      "read", [&](Done<std::size_t> done) { return stream.read(into, done); },
      [&] { stream.cancel_read(); });
}

void Stream::read(std::span<std::byte> into, Callback<std::size_t> done) {
  auto& stream = block("read");
  start_leaf(stream, std::move(done), [&](auto callback) { return stream.read(into, callback); });
}

void Stream::write(std::span<const std::span<const std::byte>> pieces) {
  auto& stream = block("write");
  await_leaf<void>(
      "write", [&](Done<void> done) { return stream.write(pieces, false, done); },
      [&] { stream.close(); });
}
void Stream::write(std::span<const std::byte> bytes) {
  auto& stream = block("write");
  weft::detail::fiber_that_may_wait("write");
  const int taken = stream.write_now(bytes);
  if (taken > 0 && static_cast<std::size_t>(taken) == bytes.size()) return;
  await_leaf<void>(
      "write", [&](Done<void> done) { return stream.write_more(bytes, taken, false, done); },
      [&] { stream.close(); });
}
void Stream::write(std::string_view text) {
  write(weft::detail::bytes_of(text));
}

void Stream::write(std::span<const std::span<const std::byte>> pieces, Callback<void> done) {
  auto& stream = block("write");
  start_leaf(stream, std::move(done),
             [&](auto callback) { return stream.write(pieces, true, callback); });
}
void Stream::write(std::span<const std::byte> bytes, Callback<void> done) {
  auto& stream = block("write");
  const int taken = stream.write_now(bytes);
  if (!done && taken > 0 && static_cast<std::size_t>(taken) == bytes.size()) return;
  start_leaf(stream, std::move(done),
             [&](auto callback) { return stream.write_more(bytes, taken, true, callback); });
}
void Stream::write(std::string_view text, Callback<void> done) {
  write(weft::detail::bytes_of(text), std::move(done));
}

std::size_t Stream::try_write(std::span<const std::byte> bytes) {
  return block("try_write").try_write(bytes).value();
}

std::size_t Stream::write_queue_bytes() const {
  return block("write_queue_bytes").write_queue_bytes();
}

void Stream::shutdown() {
  auto& stream = block("shutdown");
  await_leaf<void>(
      "shutdown", [&](Done<void> done) { return stream.shutdown(done); }, [&] { stream.close(); });
}
void Stream::shutdown(Callback<void> done) {
  auto& stream = block("shutdown");
  start_leaf(stream, std::move(done), [&](auto callback) { return stream.shutdown(callback); });
}

void Stream::close() {
  if (block_ != nullptr) block("close").close();
}
void Stream::close(Error why) {
  if (!why.code) throw UsageError("close: the code is no error; close() is for none");
  if (block_ != nullptr) block("close").close_with(std::move(why));
}
void Stream::close(std::error_code why) {
  close(Error{why, {}});
}
bool Stream::is_closing() const noexcept {
  return block_ == nullptr || block_->is_closing();
}
void Stream::wait_closed() {
  auto& stream = block("wait_closed");
  await_leaf<void>(
      "wait_closed", [&](Done<void> done) { return stream.closed(done); },
      [&] { stream.cancel_closed(); });
}

void Stream::on_data(UniqueFunction<void(std::span<const std::byte>)> handler) {
  block("on_data").on_data(std::move(handler));
}
void Stream::on_end(UniqueFunction<void()> handler) {
  block("on_end").on_end(std::move(handler));
}
void Stream::on_error(UniqueFunction<void(Error)> handler) {
  block("on_error").on_error(std::move(handler));
}
void Stream::on_close(UniqueFunction<void()> handler) {
  block("on_close").on_close(std::move(handler));
}
void Stream::tell_why_closed(UniqueFunction<void(Error)> handler) {
  auto& stream = block("on_close");
  if (!handler) return stream.on_close({});
  stream.on_close(
      [&stream, handler = std::move(handler)]() mutable { handler(stream.why_closed()); });
}
void Stream::set_timeout(std::chrono::nanoseconds idle, UniqueFunction<void()> fn) {
  block("set_timeout").set_idle_timeout(idle, std::move(fn));
}
void Stream::pause() {
  block("pause").pause();
}
void Stream::resume() {
  block("resume").resume();
}

void Stream::ref() {
  block("ref").set_referenced(true);
}
void Stream::unref() {
  block("unref").set_referenced(false);
}
AsyncId Stream::async_id() const {
  return block("async_id").resource().async_id();
}
int Stream::fd() const {
  return block("fd").descriptor();
}

}  // namespace weft::io
