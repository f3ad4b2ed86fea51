// Ring: a FIFO of at most `capacity` values, allocated once.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace weft::detail {

template <typename T>
class Ring {
 public:
  explicit Ring(std::size_t capacity)
      : slots_(capacity == 0 ? nullptr : std::allocator<T>().allocate(capacity)),
        capacity_(capacity) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    clear();
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
  }

  bool is_empty() const noexcept { return size_ == 0; }
  bool is_full() const noexcept { return size_ == capacity_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }

  void swap(Ring& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(capacity_, other.capacity_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
  }
  void clear() noexcept {
    for (; size_ > 0; --size_) std::destroy_at(take_first());
  }

  // Into a ring that is not full.
  void push(T&& value) noexcept {
    std::size_t at = first_ + size_;
    if (at >= capacity_) at -= capacity_;
    std::construct_at(slots_ + at, std::move(value));
    ++size_;
  }
  // From a ring that is not empty.
  void pop_into(std::optional<T>& into) noexcept {
    T* const slot = take_first();
    --size_;
    into.emplace(std::move(*slot));
    std::destroy_at(slot);
  }

 private:
  T* take_first() noexcept {
    T* const slot = slots_ + first_;
    if (++first_ == capacity_) first_ = 0;
    return slot;
  }

  T* slots_;  // null with no capacity
  std::size_t capacity_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace weft::detail
