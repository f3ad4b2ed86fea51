#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include <weft/io/detail/owner.h>
#include <weft/io/testing/memory_stream.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/timers.h>

// Invariants:
//
// 1. A wire lives while an end, a call that waits, or bytes under way refer to it.
// 2. Whoever waits looks again at everything when woken: a reader at bytes, end, reset and
//    close, a writer at room, reset and both closes.

namespace weft::detail {

class MemoryWire : public std::enable_shared_from_this<MemoryWire> {
 public:
  using Options = io::testing::MemoryStreamOptions;
  using Bytes = std::span<const std::byte>;

  explicit MemoryWire(const Options& options) : options_(options) {}

  std::size_t read(int end, std::span<std::byte> into);
  void write(int end, std::span<const Bytes> pieces);
  void shutdown(int end);
  void close(int end);
  bool is_closed(int end) const noexcept { return is_closed_[index(end)]; }
  void reset();

 private:
  // One direction: written at the end of its number, read at the other.
  struct Half {
    std::deque<std::byte> arrived;
    std::size_t under_way_bytes = 0;
    std::size_t written_bytes = 0;
    bool is_shut_down = false;  // by its writer
    bool has_ended = false;     // so its reader knows
    bool has_reader = false;
    Mutex turn{"MemoryStream"};  // one writer at a time
    ParkingLot readers;
    ParkingLot writers;

    std::size_t unread_bytes() const noexcept { return arrived.size() + under_way_bytes; }
  };

  static std::size_t index(int end) noexcept { return static_cast<std::size_t>(end); }
  Half& from(int end) noexcept { return halves_[index(end)]; }
  Half& to(int end) noexcept { return halves_[index(1 - end)]; }
  void check_open(int end, const char* what) const;
  void check_written(int end) const;
  void write_in_turn(int end, std::span<const Bytes> pieces);
  std::size_t room(const Half& half) const noexcept;
  void send(Half& half, Bytes bytes);
  void arrive(Half& half, Bytes bytes);
  void end(Half& half);
  // Now, or `delay` from now.
  template <typename F>
  void later(F deliver);

  Options options_;
  std::array<Half, 2> halves_;
  std::array<bool, 2> is_closed_{};
  bool was_reset_ = false;
};

namespace {

[[noreturn]] void raise(int code, const char* what) {
  uv_error(code, std::string(what) + " memory stream").raise();
}

}  // namespace

void MemoryWire::check_open(int end, const char* what) const {
  if (is_closed(end)) raise(UV_EBADF, what);
}

std::size_t MemoryWire::read(int end, std::span<std::byte> into) {
  fiber_that_may_wait("read");
  check_open(end, "read");
  Half& half = to(end);
  if (into.empty()) throw UsageError("read: the buffer is empty");
  if (half.has_reader) throw UsageError("read: another fiber reads this stream already");
  struct Reading {
    bool& flag;
    ~Reading() { flag = false; }
  } const reading{half.has_reader = true};
  while (half.arrived.empty()) {
    if (was_reset_) raise(UV_ECONNRESET, "read");
    if (half.has_ended) return 0;
    half.readers.park("read");
    if (is_closed(end)) raise(UV_ECANCELED, "read");
  }
  const std::size_t count = std::min({into.size(), half.arrived.size(), options_.piece_bytes});
  const auto last = half.arrived.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(half.arrived.begin(), last, into.begin());
  half.arrived.erase(half.arrived.begin(), last);
  half.writers.unpark_all();
  return count;
}

void MemoryWire::write(int end, std::span<const Bytes> pieces) {
  fiber_that_may_wait("write");
  check_open(end, "write");
  Half& half = from(end);
  if (half.is_shut_down) throw UsageError("write: the stream was shut down");
  try {
    const std::lock_guard in_turn(half.turn);
    write_in_turn(end, pieces);
  } catch (const Cancelled&) {
    close(end);
    throw;
  }
}

// What can end a write that has begun.
void MemoryWire::check_written(int end) const {
  if (was_reset_) raise(UV_ECONNRESET, "write");
  if (is_closed(end)) raise(UV_ECANCELED, "write");
  if (is_closed(1 - end)) raise(UV_EPIPE, "write");
}

void MemoryWire::write_in_turn(int end, std::span<const Bytes> pieces) {
  Half& half = from(end);
  check_written(end);
  for (Bytes bytes : pieces) {
    while (!bytes.empty()) {
      const std::size_t count = std::min(bytes.size(), room(half));
      if (count > 0) send(half, bytes.first(count));
      if (count == 0) half.writers.park("write");
      bytes = bytes.subspan(count);
      if (!bytes.empty()) check_written(end);
    }
  }
  while (options_.capacity_bytes == 0 && half.unread_bytes() > 0) {
    half.writers.park("write");
    check_written(end);
  }
}

std::size_t MemoryWire::room(const Half& half) const noexcept {
  const std::size_t unread = half.unread_bytes();
  const std::size_t until_reset = options_.reset_after_bytes - half.written_bytes;
  const std::size_t step = std::min(options_.piece_bytes, until_reset);
  if (options_.capacity_bytes == 0) return unread == 0 ? step : 0;
  return unread >= options_.capacity_bytes ? 0 : std::min(step, options_.capacity_bytes - unread);
}

template <typename F>
void MemoryWire::later(F deliver) {
  if (options_.delay.count() <= 0 || EventLoop::current_or_null() == nullptr) return deliver();
  set_timeout(options_.delay, [self = shared_from_this(), deliver = std::move(deliver)]() mutable {
    if (!self->was_reset_) deliver();
  });
}

void MemoryWire::send(Half& half, Bytes bytes) {
  half.written_bytes += bytes.size();
  if (half.written_bytes >= options_.reset_after_bytes) return reset();
  if (options_.delay.count() <= 0) return arrive(half, bytes);
  half.under_way_bytes += bytes.size();
  later([this, &half, copy = std::vector(bytes.begin(), bytes.end())] {
    half.under_way_bytes -= copy.size();
    arrive(half, copy);
  });
}

void MemoryWire::arrive(Half& half, Bytes bytes) {
  half.arrived.insert(half.arrived.end(), bytes.begin(), bytes.end());
  half.readers.unpark_all();
}

void MemoryWire::end(Half& half) {
  if (std::exchange(half.is_shut_down, true)) return;
  later([&half] {
    half.has_ended = true;
    half.readers.unpark_all();
  });
}

void MemoryWire::shutdown(int end_number) {
  fiber_that_may_wait("shutdown");
  check_open(end_number, "shutdown");
  try {
    const std::lock_guard in_turn(from(end_number).turn);
    end(from(end_number));
  } catch (const Cancelled&) {
    close(end_number);
    throw;
  }
}

void MemoryWire::close(int end_number) {
  if (std::exchange(is_closed_[index(end_number)], true)) return;
  end(from(end_number));
  from(end_number).writers.unpark_all();
  to(end_number).arrived.clear();
  to(end_number).readers.unpark_all();
  to(end_number).writers.unpark_all();
}

void MemoryWire::reset() {
  was_reset_ = true;
  for (Half& half : halves_) {
    half.arrived.clear();
    half.under_way_bytes = 0;
    half.readers.unpark_all();
    half.writers.unpark_all();
  }
}

}  // namespace weft::detail

namespace weft::io::testing {

MemoryStream::MemoryStream(std::shared_ptr<Wire> wire, int end) noexcept
    : wire_(std::move(wire)), end_(end) {}
MemoryStream::MemoryStream(MemoryStream&&) noexcept = default;

MemoryStream& MemoryStream::operator=(MemoryStream&& other) noexcept {
  if (this == &other) return *this;
  close();
  wire_ = std::move(other.wire_);
  end_ = other.end_;
  return *this;
}

MemoryStream::~MemoryStream() {
  close();
}

std::pair<MemoryStream, MemoryStream> MemoryStream::pair(Options options) {
  if (options.piece_bytes == 0) throw UsageError("MemoryStream: pieces of no bytes never arrive");
  auto wire = std::make_shared<Wire>(options);
  return {MemoryStream(wire, 0), MemoryStream(wire, 1)};
}

MemoryStream::Wire& MemoryStream::wire(const char* what) const {
  if (wire_ == nullptr) weft::detail::raise_moved_from(what);
  return *wire_;
}

// The calls that wait hold the wire: the stream may be dropped meanwhile.

std::size_t MemoryStream::read(std::span<std::byte> into) {
  return wire("read").shared_from_this()->read(end_, into);
}
void MemoryStream::write(std::span<const std::byte> bytes) {
  write(std::span(&bytes, 1));
}
void MemoryStream::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}
void MemoryStream::write(std::span<const std::span<const std::byte>> pieces) {
  wire("write").shared_from_this()->write(end_, pieces);
}
void MemoryStream::shutdown() {
  wire("shutdown").shared_from_this()->shutdown(end_);
}
void MemoryStream::close() {
  if (wire_ != nullptr) wire_->close(end_);
}
bool MemoryStream::is_closing() const noexcept {
  return wire_ == nullptr || wire_->is_closed(end_);
}
void MemoryStream::reset() {
  wire("reset").reset();
}

}  // namespace weft::io::testing
