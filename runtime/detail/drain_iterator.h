// DrainIterator: what `for (T& value : source)` does with a source that ends.
#pragma once

#include <iterator>
#include <optional>

namespace weft::detail {

// `Source::pull(std::optional<T>&)` waits for the next value, and leaves none at the end.
template <typename Source, typename T>
class DrainIterator {
 public:
  explicit DrainIterator(Source& source) : source_(&source) { source_->pull(value_); }

  T& operator*() noexcept { return *value_; }
  // Suspends: as the source.
  DrainIterator& operator++() {
    value_.reset();
    source_->pull(value_);
    return *this;
  }
  friend bool operator==(const DrainIterator& at, std::default_sentinel_t) noexcept {
    return !at.value_.has_value();
  }

 private:
  Source* source_;
  std::optional<T> value_;
};

}  // namespace weft::detail
