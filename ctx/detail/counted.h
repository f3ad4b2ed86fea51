// Counted, Ref: shared ownership on one thread.
//
// For what must outlive a call that is under way in it. std::shared_ptr would count
// atomically, because the program has threads somewhere.
#pragma once

#include <cstdint>
#include <utility>

namespace weft::detail {

// The count, to be inherited from.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 protected:
  ~Counted() = default;

 private:
  template <typename T>
  friend class Ref;

  std::uint32_t references_ = 0;
};

template <typename T>
class Ref {
 public:
  Ref() noexcept = default;
  explicit Ref(T* object) noexcept : object_(object) {
    if (object_ != nullptr) ++count();
  }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the analyzer follows no counts
    if (object_ != nullptr && --count() == 0) delete object_;
  }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  bool is_shared() const noexcept { return count() > 1; }

 private:
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): as above
  std::uint32_t& count() const noexcept { return static_cast<Counted*>(object_)->references_; }

  T* object_ = nullptr;
};

}  // namespace weft::detail
