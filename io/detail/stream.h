// Stream: what every libuv stream does, written once.
//
// Reading stays started. Bytes go straight into the buffer of the reader that
// waits; when nobody does, into a bounded buffer, and when that is full reading
// stops until somebody reads: backpressure without a start and stop per read.
// Writing tries the kernel first; a request exists only for what it did not take.
//
// Invariants:
//
// 1. At most one read is pending, and either reads or a data handler, not both.
// 2. Bytes are buffered only while no read is pending.
// 3. A leaf that finishes at once returns the result and never calls back.
// 4. The close ends the pending read: libuv forgets it without a word. Writes,
//    connects and shutdowns libuv ends itself, with UV_ECANCELED.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <uv.h>

#include <weft/io/detail/bytes.h>
#include <weft/io/detail/idle_timeout.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/handle.h>
#include <weft/runtime/detail/standard_descriptors.h>

namespace weft::detail {

class Stream : public Handle {
 public:
  // Leaves. An engaged result: finished at once, `done` was not taken.

  std::optional<Result<std::size_t>> read(std::span<std::byte> into, Done<std::size_t> done) {
    const bool must_wait = is_reading_ && !is_closing() && !into.empty() && !read_ &&
                           !data_handler_ && buffer_.bytes == nullptr;
    if (!must_wait) [[unlikely]]
      return read_slowly(into, done);
    read_into_ = into;
    read_.take(done);
    return std::nullopt;
  }
  // With `copies`, bytes the kernel does not take at once are copied; else they must
  // stay valid until completion.
  std::optional<Result<void>> write(std::span<const Bytes> pieces, bool copies, Done<void> done);
  // write() of one piece, in two steps: what uv_try_write() says, and the rest.
  int write_now(Bytes bytes) noexcept {
    if (is_closing() || writing_ != Writing::kOpen) return UV_EAGAIN;  // write_more() says why
    if (idle_ != nullptr) [[unlikely]]
      note_activity();
    const uv_buf_t buffer = to_uv(bytes);
    return uv_try_write(stream_, &buffer, 1);
  }
  // What the kernel takes at once; 0: nothing.
  Result<std::size_t> try_write(Bytes bytes);
  std::optional<Result<void>> write_more(Bytes bytes, int taken, bool copies, Done<void> done);
  // Sends the descriptor of `carrier` along with the first of `bytes`, then closes that.
  std::optional<Result<void>> write_with(HandlePtr<Stream> carrier, Bytes bytes, bool copies,
                                         Done<void> done);
  // What libuv holds, and will write when the kernel has room.
  std::size_t write_queue_bytes() const noexcept {
    return stream_ == nullptr ? 0 : uv_stream_get_write_queue_size(stream_);
  }
  std::optional<Result<void>> shutdown(Done<void> done);
  // Takes over the next descriptor that was sent along, as what `into` is; one has come.
  int accept_into(Stream& into) noexcept { return accept_into(into.stream_); }
  // The same for any handle of libuv's that has a descriptor.
  int accept_into(uv_stream_t* into) noexcept;

  // All is written, and it is no socket: who reads a pipe(2) sees the end when it is closed.
  virtual void end_without_shutdown() noexcept { close(); }

  // Ends the pending read with operation_canceled; the stream stays open.
  void cancel_read();

  void on_data(UniqueFunction<void(Bytes)> handler);
  void on_end(UniqueFunction<void()> handler) { end_handler_.set(std::move(handler)); }
  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }
  void pause() noexcept;
  void resume();

  // 0: never.
  void set_idle_timeout(std::chrono::nanoseconds idle, UniqueFunction<void()> fn);
  // For an idle timeout, if there is one: something was read or written.
  void note_activity() noexcept;

  // Closes because of an error, which everybody hears who waits; nothing when it is closing.
  void close_with(Error why) noexcept;
  // What it ended with; no code: nothing failed.
  Error why_closed() const;
  // What an operation failed with: `code`, or why the stream was closed meanwhile.
  Error failure(int code, std::string_view what) noexcept;

  // "read 127.0.0.1:80"; empty where there is no memory for it.
  std::string describe(std::string_view what) noexcept;
  // Errors: std::system_error when the stream is closed.
  virtual int descriptor();

 protected:
  // `stream` is what the derived class holds.
  Stream(EventLoop& loop, ResourceType type, uv_stream_t* stream,
         const AsyncResourceOptions& options)
      : Handle(loop, type, options), stream_(stream) {}

  // What is no stream of libuv's, and overrides what follows.
  Stream(EventLoop& loop, ResourceType type)
      : Handle(loop, type), writing_(Writing::kSynchronous), stream_(nullptr) {}

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(stream_); }
  virtual int begin_reading() noexcept { return uv_read_start(stream_, &on_alloc, &on_read); }
  virtual void end_reading() noexcept { uv_read_stop(stream_); }
  // What UV_EOF or an error that libuv tells of reading is; 0: there is more.
  virtual int true_end(int code) noexcept { return code; }
  // Writes all, and returns 0 or an error.
  virtual int write_synchronously(std::span<uv_buf_t>) noexcept { return UV_ENOTSUP; }

  // Where what is read goes, and that it has come there: a count, UV_EOF or an error.
  uv_buf_t room_to_read() noexcept { return to_uv(read_ ? read_into_ : room()); }
  void arrived(ssize_t count, const uv_buf_t& buffer) noexcept;
  // The other end, for messages; empty when it is not known.
  virtual std::string peer_name() = 0;
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{16} * 1024;

  enum class Writing : char {
    kOpen,
    kSynchronous,  // nothing is kept for later; may be shut down
    kShutDown,
  };

  struct Buffer {
    std::unique_ptr<std::byte[]> bytes;  // null: empty
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  static void on_alloc(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer) noexcept;
  void receive(ssize_t count, const uv_buf_t& buffer) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;

  std::optional<Result<std::size_t>> read_slowly(std::span<std::byte> into, Done<std::size_t> done);
  std::span<std::byte> room() noexcept;
  int start_reading() noexcept;
  void stop_reading() noexcept;
  void received(std::size_t count, const uv_buf_t& buffer);
  void ended(int code);
  void tell_end();
  void finish_read(Result<std::size_t> result);
  std::size_t take_buffered(std::span<std::byte> into) noexcept;
  void deliver_buffered();
  void check_not_shut_down() const;
  friend struct IdleTimeout;
  void look_if_idle() noexcept;
  void drop_idle_timeout() noexcept;
  Error close_error() const noexcept;
  std::optional<Result<void>> write_rest(std::span<uv_buf_t> buffers, int taken, bool copies,
                                         Done<void> done);
  std::optional<Result<void>> request_write(std::span<uv_buf_t> rest, bool copies, Done<void> done,
                                            HandlePtr<Stream> carrier = nullptr);

  PersistentHandler<> end_handler_;
  PersistentHandler<Error> error_handler_;
  ErrorBox close_error_;      // why it was closed; none: by nobody, or not because of an error
  int end_code_ = 0;          // UV_EOF or the error that ended reading; 0: open
  bool is_end_told_ = false;  // to a handler, or by a close
  bool is_paused_ = false;
  Buffer buffer_;
  PersistentHandler<Bytes> data_handler_;
  // Last, because a read and a write of a busy stream need these and the uv handle that follows.
  Completion<std::size_t> read_;  // pending
  std::span<std::byte> read_into_;
  std::unique_ptr<IdleTimeout> idle_;  // null: none
  bool is_reading_ = false;
  Writing writing_ = Writing::kOpen;
  uv_stream_t* const stream_;  // null: write_synchronously()
};

using StreamPtr = HandlePtr<Stream>;

// The first stream of a loop makes libuv open a descriptor of its own.
inline void prepare_for_streams(const uv_loop_t* uv) noexcept {
  if (uv->emfile_fd < 0) open_standard_descriptors();
}

}  // namespace weft::detail
