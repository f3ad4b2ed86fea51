// UvBuffers: pieces of memory as libuv takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weft/io/detail/bytes.h>
#include <weft/io/detail/fs_request.h>

namespace weft::detail {

// One piece, or many; only many take memory of their own.
class UvBuffers {
 public:
  explicit UvBuffers(Bytes bytes) noexcept : one_(to_uv(bytes)) {}
  explicit UvBuffers(std::span<const Bytes> pieces) : many_(all_of(pieces)), is_one_(false) {}
  explicit UvBuffers(std::span<const std::span<std::byte>> pieces)
      : many_(all_of(pieces)), is_one_(false) {}

  // Those not done with.
  std::span<const uv_buf_t> left() const noexcept {
    return is_one_ ? std::span(&one_, 1) : std::span(many_).subspan(first_);
  }
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (const uv_buf_t& piece : left()) sum += piece.len;
    return sum;
  }
  // The first `bytes` are done with.
  void advance(std::size_t bytes) noexcept;

 private:
  template <typename Pieces>
  static std::vector<uv_buf_t> all_of(const Pieces& pieces) {
    std::vector<uv_buf_t> all;
    all.reserve(pieces.size());
    for (const auto& piece : pieces) all.push_back(to_uv(piece));
    return all;
  }

  uv_buf_t one_ = {};
  std::vector<uv_buf_t> many_;
  std::size_t first_ = 0;  // in many_, not done with
  bool is_one_ = true;
};

// As an offset: at the file's position, by read(2) instead of pread(2). libuv's.
inline constexpr std::int64_t kAtPosition = -1;

// Reads once.
std::int64_t read_some(FsThread& thread, int fd, const UvBuffers& buffers, std::int64_t offset);
// Writes until nothing is left, or an error.
std::int64_t write_all(FsThread& thread, int fd, UvBuffers& buffers, std::int64_t offset);

}  // namespace weft::detail
