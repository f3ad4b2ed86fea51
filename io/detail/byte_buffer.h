// ByteBuffer: bytes that came in at the back and go out at the front.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace weft::detail {

class ByteBuffer {
 public:
  // Keeps `bytes` of memory while it is not empty, and more only while that is needed.
  explicit ByteBuffer(std::size_t bytes) noexcept : usual_bytes_(bytes) {}

  std::size_t size() const noexcept { return end_ - begin_; }
  std::size_t usual_bytes() const noexcept { return usual_bytes_; }
  std::span<const std::byte> filled() const noexcept { return {memory_.get() + begin_, size()}; }

  // Free memory behind what is filled, at least one byte; `bytes` together with that, if
  // they are more than usual.
  std::span<std::byte> room(std::size_t bytes) {
    if (capacity_ - begin_ < bytes || end_ == capacity_) make_room(bytes);
    return {memory_.get() + end_, capacity_ - end_};
  }
  // So many bytes were put into room().
  void add(std::size_t bytes) noexcept { end_ += bytes; }

  void drop(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > usual_bytes_) {
      memory_.reset();
      capacity_ = 0;
    }
  }

 private:
  // Moves what is filled to the front, of a larger memory if need be.
  void make_room(std::size_t bytes) {
    const std::size_t filled = size();
    const std::size_t needed = std::max({bytes, filled + 1, usual_bytes_});
    if (needed > capacity_) {
      const std::size_t larger = std::max(needed, capacity_ * 2);
      std::unique_ptr<std::byte[]> memory(new std::byte[larger]);
      if (filled > 0) std::memcpy(memory.get(), memory_.get() + begin_, filled);
      memory_ = std::move(memory);
      capacity_ = larger;
    } else {
      std::memmove(memory_.get(), memory_.get() + begin_, filled);
    }
    begin_ = 0;
    end_ = filled;
  }

  std::size_t usual_bytes_;
  std::unique_ptr<std::byte[]> memory_;  // null: none needed so far
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace weft::detail
