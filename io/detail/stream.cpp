#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <vector>

#include <weft/ctx/error.h>
#include <weft/io/detail/poll_set.h>
#include <weft/io/detail/stream.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// The kernel takes no more in one call (UIO_MAXIOV); more pieces go in batches.
constexpr std::size_t kPiecesMax = 1024;

// A request of a stream. Everything that can fail happens before libuv has it.
template <typename Uv>
struct StreamRequest {
  StreamRequest(Stream& of, ResourceType type)
      : stream(of), resource(type, {.trigger = of.resource().async_id()}) {}

  void begin(Done<void> whom) noexcept {
    request.data = this;
    done.take(whom, ResourceAccess::frame(resource));
  }

  Uv request;
  Stream& stream;
  AsyncResource resource;
  Completion<void> done;
  std::vector<std::byte> copy;  // of what a write was given, if it copies
  StreamPtr carrier;            // of a descriptor that a write sends along; null: none
};
using WriteRequest = StreamRequest<uv_write_t>;
using ShutdownRequest = StreamRequest<uv_shutdown_t>;

// libuv gives the request back: completes it and frees it.
template <typename Request>
void finish(void* data, int code, const char* what) noexcept {
  const std::unique_ptr<Request> request(static_cast<Request*>(data));
  Stream& stream = request->stream;
  Result<void> result;
  if (code < 0) {
    result = stream.failure(code, what);
  } else {
    stream.note_activity();
  }
  request->done.complete(stream.loop(), request->resource, std::move(result));
}

int end_if_no_socket(void* shutdown, int code) noexcept {
  if (code != UV_ENOTSOCK) return code;
  static_cast<ShutdownRequest*>(shutdown)->stream.end_without_shutdown();
  return 0;
}

}  // namespace

std::string Stream::describe(std::string_view what) noexcept {
  return text_or_nothing([&] {
    const std::string peer = peer_name();
    return peer.empty() ? std::string(what) : std::string(what) + " " + peer;
  });
}

int Stream::descriptor() {
  uv_os_fd_t fd = -1;
  const int code = is_closing() ? UV_EBADF : uv_fileno(raw(), &fd);
  if (code < 0) uv_check(code, "fd: the stream is closed");
  return fd;
}

// --- reading ---

std::optional<Result<std::size_t>> Stream::read_slowly(std::span<std::byte> into,
                                                       Done<std::size_t> done) {
  if (into.empty()) throw UsageError("read: the buffer is empty; 0 means end of stream");
  require_callback(done, "read");
  if (read_ && is_closing())
    return Result<std::size_t>(uv_error(UV_EBADF, "read: the stream is closed"));
  if (read_) throw UsageError("read: another read is pending; one at a time");
  if (data_handler_) throw UsageError("read: on_data() takes what arrives; use one of the two");
  if (const std::size_t count = take_buffered(into); count > 0) {
    // Not while bytes are held: a full buffer has no room, and libuv calls that an error.
    if (buffer_.bytes == nullptr && end_code_ == 0 && !is_closing()) start_reading();
    return count;
  }
  if (is_closing()) return Result<std::size_t>(uv_error(UV_EBADF, "read: the stream is closed"));
  if (end_code_ == UV_EOF) return std::size_t{0};
  if (end_code_ < 0) return Result<std::size_t>(uv_error(end_code_, describe("read")));
  if (const int code = start_reading(); code < 0) {
    return Result<std::size_t>(uv_error(code, describe("read")));
  }
  read_into_ = into;
  read_.take(done);
  return std::nullopt;
}

void Stream::cancel_read() {
  finish_read(uv_error(UV_ECANCELED, describe("read")));
}

int Stream::start_reading() noexcept {
  if (is_reading_) return 0;
  const int code = begin_reading();
  is_reading_ = code == 0;
  return code;
}

void Stream::stop_reading() noexcept {
  if (std::exchange(is_reading_, false)) end_reading();
}

void Stream::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
  auto& self = static_cast<Stream&>(from(handle->data));
  *buffer = self.room_to_read();
}

[[gnu::noinline]] std::span<std::byte> Stream::room() noexcept {
  if (data_handler_) return shared_buffer();
  if (buffer_.bytes == nullptr) buffer_.bytes.reset(new (std::nothrow) std::byte[kBufferBytes]);
  if (buffer_.bytes == nullptr) return {};
  return {buffer_.bytes.get() + buffer_.end, kBufferBytes - buffer_.end};
}

inline void Stream::receive(ssize_t count, const uv_buf_t& buffer) noexcept {
  if (count <= 0 && buffer_.begin == buffer_.end) buffer_ = Buffer{};
  if (count > 0 && idle_ != nullptr) [[unlikely]]
    note_activity();
  if (count > 0 && read_) {
    read_.complete(loop(), resource(), static_cast<std::size_t>(count));
  } else if (count > 0) {
    received(static_cast<std::size_t>(count), buffer);
  } else if (count == UV_ENOBUFS && !data_handler_) {
    stop_reading();  // no memory to hold what nobody waits for: the next read() starts again
  } else if (count < 0) {
    ended(static_cast<int>(count));
  }
}

void Stream::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  static_cast<Stream&>(from(stream->data)).receive(count, *buffer);
}

void Stream::arrived(ssize_t count, const uv_buf_t& buffer) noexcept {
  receive(count, buffer);
}

[[gnu::noinline]] void Stream::received(std::size_t count, const uv_buf_t& buffer) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(buffer.base);
  if (data_handler_) {
    data_handler_.call(loop(), resource(), Bytes(bytes, count));
  } else {
    buffer_.end += count;
    if (buffer_.end == kBufferBytes) stop_reading();
  }
}

[[gnu::noinline]] void Stream::ended(int code) {
  stop_reading();
  const int end = true_end(code);
  if (end == 0 && start_reading() == 0) return;
  if (end != 0) code = end;
  end_code_ = code;
  if (read_) {
    if (code == UV_EOF) {
      finish_read(std::size_t{0});
    } else {
      finish_read(uv_error(code, describe("read")));
    }
    return;
  }
  if (!data_handler_) return;  // the next read() says so
  if (std::exchange(is_end_told_, true)) return;
  if (code != UV_EOF && error_handler_) {
    return error_handler_.call(loop(), resource(), uv_error(code, describe("read")));
  }
  loop().call(resource(), [&] { code == UV_EOF ? tell_end() : close(); });
}

// As in Node, on a tick behind the read callback. Who cannot be told of the end hears of
// the close.
void Stream::tell_end() {
  if (!end_handler_) return close();
  try {
    end_handler_.call_on_tick(loop(), resource().async_id(), [this] { return is_closing(); });
  } catch (const std::bad_alloc&) {
    close();
    throw;
  }
}

void Stream::finish_read(Result<std::size_t> result) {
  read_into_ = {};
  read_.complete(loop(), resource(), std::move(result));
}

std::size_t Stream::take_buffered(std::span<std::byte> into) noexcept {
  const std::size_t count = std::min(into.size(), buffer_.end - buffer_.begin);
  if (count == 0) return 0;
  std::memcpy(into.data(), buffer_.bytes.get() + buffer_.begin, count);
  buffer_.begin += count;
  if (buffer_.begin == buffer_.end) buffer_ = Buffer{};
  return count;
}

void Stream::on_data(UniqueFunction<void(Bytes)> handler) {
  if (read_) throw UsageError("on_data: a read is pending; use one of the two");
  data_handler_.set(std::move(handler));
  if (!data_handler_ || is_paused_) return;
  try {
    resume();
  } catch (...) {
    data_handler_.clear();
    throw;
  }
}

void Stream::pause() noexcept {
  is_paused_ = true;
  if (data_handler_ && !is_closing()) stop_reading();
}

void Stream::resume() {
  is_paused_ = false;
  if (is_closing() || !data_handler_) return;
  if (buffer_.bytes == nullptr && end_code_ == 0) {
    uv_check(start_reading(), describe("read"));
    return;
  }
  // What came before the handler did is handed over on the next tick.
  loop().add_tick(std::make_unique<Tick>([this] { deliver_buffered(); },
                                         AsyncResourceOptions{.trigger = resource().async_id()}));
}

void Stream::deliver_buffered() {
  if (is_closing() || is_paused_ || !data_handler_) return;
  if (buffer_.bytes != nullptr) {
    const Buffer held = std::exchange(buffer_, Buffer{});
    data_handler_.call(loop(), resource(),
                       Bytes(held.bytes.get() + held.begin, held.end - held.begin));
  }
  if (is_closing() || is_paused_) return;
  const int code = end_code_ == 0 ? start_reading() : end_code_;
  if (code < 0) ended(code);
}

// --- writing ---

std::optional<Result<void>> Stream::write(std::span<const Bytes> pieces, bool copies,
                                          Done<void> done) {
  if (is_closing()) return Result<void>(uv_error(UV_EBADF, "write: the stream is closed"));
  check_not_shut_down();
  note_activity();
  constexpr Bytes kNothing;
  if (pieces.empty()) pieces = {&kNothing, 1};
  std::array<uv_buf_t, 8> few;
  std::vector<uv_buf_t> many;
  std::span<uv_buf_t> buffers(few.data(), 0);
  if (pieces.size() <= few.size()) {
    buffers = {few.data(), pieces.size()};
  } else {
    many.resize(pieces.size());
    buffers = many;
  }
  std::transform(pieces.begin(), pieces.end(), buffers.begin(), to_uv);

  const auto count = static_cast<unsigned>(std::min(buffers.size(), kPiecesMax));
  const int taken =
      writing_ == Writing::kSynchronous ? UV_EAGAIN : uv_try_write(stream_, buffers.data(), count);
  return write_rest(buffers, taken, copies, done);
}

std::optional<Result<void>> Stream::write_more(Bytes bytes, int taken, bool copies,
                                               Done<void> done) {
  if (is_closing()) return Result<void>(uv_error(UV_EBADF, "write: the stream is closed"));
  check_not_shut_down();
  uv_buf_t buffer = to_uv(bytes);
  return write_rest({&buffer, 1}, taken, copies, done);
}

void Stream::check_not_shut_down() const {
  if (writing_ != Writing::kShutDown) return;
  throw UsageError("write: the stream was shut down; write before shutdown()");
}

Result<std::size_t> Stream::try_write(Bytes bytes) {
  if (is_closing()) return Result<std::size_t>(uv_error(UV_EBADF, "write: the stream is closed"));
  check_not_shut_down();
  int taken = write_now(bytes);
  if (writing_ == Writing::kSynchronous) {
    uv_buf_t buffer = to_uv(bytes);
    taken = write_synchronously({&buffer, 1});
    if (taken == 0) return bytes.size();
  }
  if (taken == UV_EAGAIN) return std::size_t{0};
  if (taken < 0) return Result<std::size_t>(uv_error(taken, describe("write")));
  return static_cast<std::size_t>(taken);
}

// `taken` is what uv_try_write() said of the first of `buffers`.
std::optional<Result<void>> Stream::write_rest(std::span<uv_buf_t> buffers, int taken, bool copies,
                                               Done<void> done) {
  if (taken < 0 && taken != UV_EAGAIN) return Result<void>(uv_error(taken, describe("write")));
  // EAGAIN: earlier writes wait, and even an empty one completes after them.
  if (taken == UV_EAGAIN) return request_write(buffers, copies, done);
  auto skip = static_cast<std::size_t>(taken);
  while (!buffers.empty() && skip >= buffers.front().len) {
    skip -= buffers.front().len;
    buffers = buffers.subspan(1);
  }
  if (buffers.empty()) return Result<void>();
  buffers.front().base += skip;
  buffers.front().len -= skip;
  return request_write(buffers, copies, done);
}

std::optional<Result<void>> Stream::write_with(StreamPtr carrier, Bytes bytes, bool copies,
                                               Done<void> done) {
  if (is_closing()) return Result<void>(uv_error(UV_EBADF, "write: the stream is closed"));
  check_not_shut_down();
  uv_buf_t buffer = to_uv(bytes);
  return request_write({&buffer, 1}, copies, done, std::move(carrier));
}

std::optional<Result<void>> Stream::request_write(std::span<uv_buf_t> rest, bool copies,
                                                  Done<void> done, StreamPtr carrier) {
  if (writing_ == Writing::kSynchronous) {
    note_activity();
    const int code = write_synchronously(rest);
    return code < 0 ? Result<void>(uv_error(code, describe("write"))) : Result<void>();
  }
  auto request = std::make_unique<WriteRequest>(*this, "WRITEWRAP");
  uv_buf_t copied;
  if (copies) {
    for (const uv_buf_t& piece : rest) {
      const auto* const first = reinterpret_cast<const std::byte*>(piece.base);
      request->copy.insert(request->copy.end(), first, first + piece.len);
    }
    copied = to_uv(request->copy);
    rest = {&copied, 1};
  }
  request->carrier = std::move(carrier);
  request->begin(done);
  const int code =
      uv_write2(&request->request, stream_, rest.data(), static_cast<unsigned>(rest.size()),
                request->carrier == nullptr ? nullptr : request->carrier->stream_,
                [](uv_write_t* r, int status) { finish<WriteRequest>(r->data, status, "write"); });
  if (code < 0) {
    request->done.give_back(done);
    return Result<void>(uv_error(code, describe("write")));
  }
  static_cast<void>(request.release());  // libuv's until its callback
  note_activity();
  return std::nullopt;
}

std::optional<Result<void>> Stream::shutdown(Done<void> done) {
  if (is_closing()) return Result<void>(uv_error(UV_EBADF, "shutdown: the stream is closed"));
  if (writing_ == Writing::kShutDown) return Result<void>();
  if (writing_ == Writing::kSynchronous) {
    writing_ = Writing::kShutDown;
    return Result<void>();
  }
  auto request = std::make_unique<ShutdownRequest>(*this, "SHUTDOWNWRAP");
  request->begin(done);
  const int code = uv_shutdown(&request->request, stream_, [](uv_shutdown_t* r, int status) {
    finish<ShutdownRequest>(r->data, end_if_no_socket(r->data, status), "shutdown");
  });
  if (code < 0) {
    request->done.give_back(done);
    return Result<void>(uv_error(code, describe("shutdown")));
  }
  writing_ = Writing::kShutDown;
  static_cast<void>(request.release());  // libuv's until its callback
  return std::nullopt;
}

int Stream::accept_into(uv_stream_t* into) noexcept {
  int code = uv_accept(stream_, into);
  if (code == 0) code = add_to_poll_set(reinterpret_cast<uv_handle_t*>(into));
  // uv_accept() watches the stream again, also one that does not read or has ended.
  if (!is_reading_ && uv_read_start(stream_, &on_alloc, &on_read) == 0) uv_read_stop(stream_);
  return code;
}

// --- silence ---

void IdleTimeout::on_ring(Alarm& alarm) noexcept {
  static_cast<IdleTimeout&>(alarm).stream.look_if_idle();
}

void Stream::set_idle_timeout(std::chrono::nanoseconds idle, UniqueFunction<void()> fn) {
  if (idle.count() < 0) throw UsageError("set_timeout: the time is negative; 0 ends a timeout");
  std::unique_ptr<IdleTimeout> next;
  if (idle.count() > 0) {
    require_callback(fn, "set_timeout");
    const auto whole_ms = std::chrono::ceil<std::chrono::milliseconds>(idle).count();
    next =
        std::make_unique<IdleTimeout>(*this, static_cast<std::uint64_t>(whole_ms), std::move(fn));
  }
  drop_idle_timeout();
  if (next == nullptr || is_closing()) return;
  idle_ = std::move(next);
  loop().timers().update_now();
  note_activity();
  loop().timers().arm(*idle_, idle_->active_at_ms + idle_->delay_ms);
}

void Stream::note_activity() noexcept {
  if (idle_ == nullptr) return;
  idle_->active_at_ms = loop().now_ms();
  idle_->queued_bytes = write_queue_bytes();
}

void Stream::look_if_idle() noexcept {
  if (is_closing()) return;
  const std::size_t queued = write_queue_bytes();
  if (queued != 0 && queued != idle_->queued_bytes) note_activity();  // the peer takes it, slowly
  const std::uint64_t over_at_ms = idle_->active_at_ms + idle_->delay_ms;
  if (loop().now_ms() < over_at_ms) return loop().timers().arm(*idle_, over_at_ms);
  const std::unique_ptr<IdleTimeout> over = std::move(idle_);
  loop().call(over->resource, [&over] { over->callback(); });
}

void Stream::drop_idle_timeout() noexcept {
  const std::unique_ptr<IdleTimeout> over = std::move(idle_);
  if (over != nullptr) loop().timers().disarm(*over);
}

// --- closing ---

void Stream::close_with(Error why) noexcept {
  if (is_closing()) return;
  close_error_ = ErrorBox(std::move(why));
  close();
}

Error Stream::failure(int code, std::string_view what) noexcept {
  return code == UV_ECANCELED && close_error_ ? close_error() : uv_error(code, describe(what));
}

Error Stream::close_error() const noexcept {
  try {
    return *close_error_;
  } catch (const std::bad_alloc&) {
    return {close_error_.code(), {}};  // it says enough
  }
}

Error Stream::why_closed() const {
  if (close_error_) return close_error();
  if (end_code_ == 0 || end_code_ == UV_EOF) return {};
  return uv_error(end_code_, "read");
}

void Stream::end_pending() noexcept {
  drop_idle_timeout();
  if (read_) finish_read(failure(UV_ECANCELED, "read"));
  const bool is_told = is_end_told_ && end_code_ != UV_EOF;
  if (close_error_ && error_handler_ && !is_told) {
    error_handler_.call(loop(), resource(), close_error());
  }
}

void Stream::drop_handlers() noexcept {
  data_handler_.clear();
  end_handler_.clear();
  error_handler_.clear();
}

}  // namespace weft::detail
