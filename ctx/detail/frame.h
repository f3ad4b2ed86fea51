// Frame: what a piece of work inherits, an immutable set of (local, value) pairs.
//
// A frame is a flat array indexed by the local's slot. To capture it is to copy
// a pointer; to change one value is to make a new frame. Invariants:
//
// 1. A frame never changes once a second reference to it exists.
// 2. Frame counts are not atomic: a frame belongs to one thread. What crosses
//    threads is a copy whose values count atomically (PortableFrame).
// 3. An entry answers only for the key it was made with. Slots are reused, keys
//    never: an address or a slot alone would let a stale frame hand a value of
//    the wrong type to a later local.
// 4. `plain` means every value is inherited as it is, so capture is one increment.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft::detail {

using LocalKey = std::uint64_t;

// One AsyncLocal's place in every frame.
struct LocalId {
  std::uint32_t slot;
  LocalKey key;
};

LocalId acquire_local();
void release_local(LocalId local) noexcept;

// The counted header of a stored value. The value itself follows in AsyncLocal<T>::Stored.
class Value {
 public:
  struct Operations {
    void (*destroy)(Value* value) noexcept;
    // Returns what new work receives: an own reference, or null for nothing.
    // Null itself means: the same value.
    Value* (*inherit)(Value& value);
  };

  explicit Value(const Operations* operations) noexcept : operations_(operations) {}
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  void retain() noexcept {
    if (!shared_) {
      ++references_;
    } else {
      std::atomic_ref(references_).fetch_add(1, std::memory_order_relaxed);
    }
  }
  void release() noexcept {
    if (!shared_) {
      if (--references_ == 0) operations_->destroy(this);
    } else if (std::atomic_ref(references_).fetch_sub(1, std::memory_order_acq_rel) == 1) {
      operations_->destroy(this);
    }
  }

  // From here on the count is atomic. Call before another thread can see the value.
  void share() noexcept {
    if (!shared_) shared_ = true;
  }
  bool is_plain() const noexcept { return operations_->inherit == nullptr; }
  Value* inherit() { return operations_->inherit(*this); }

 protected:
  ~Value() = default;

 private:
  const Operations* operations_;
  alignas(4) std::uint32_t references_ = 1;
  bool shared_ = false;
};

class alignas(8) Frame {
 public:
  struct Entry {
    LocalKey key;  // 0: nothing here
    Value* value;  // null under a key: the local was left with exit(), which hides its default
  };

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) destroy();
  }
  // Two references at once, where that leaves one; else false, and nothing changed.
  bool release_two_of_many() noexcept {
    if (references_ <= 2) return false;
    references_ -= 2;
    return true;
  }

  const Entry* find(LocalId local) const noexcept {
    if (local.slot >= size_ || entries()[local.slot].key != local.key) return nullptr;
    return entries() + local.slot;
  }
  // Whether a later local has taken the slot of this one, which is dead then.
  bool is_taken(LocalId local) const noexcept {
    return local.slot < size_ && entries()[local.slot].key > local.key;
  }
  bool is_plain() const noexcept { return plain_; }

  // Each returns a new frame with one reference, or null for the empty frame.
  // `base` may be null. with() takes over the caller's reference to `value`.
  static Frame* with(const Frame* base, LocalId local, Value* value);
  static Frame* without(const Frame* base, LocalId local);
  static Frame* inherited(const Frame& base);

 private:
  friend class PortableFrame;

  explicit Frame(std::uint32_t size) noexcept : size_(size) {}

  static Frame* allocate(std::uint32_t size);
  static Frame* copy(const Frame* base, std::uint32_t size, LocalId except);
  void destroy() noexcept;
  void add(std::uint32_t slot, Entry entry) noexcept;
  Entry* entries() noexcept { return reinterpret_cast<Entry*>(this + 1); }
  const Entry* entries() const noexcept { return reinterpret_cast<const Entry*>(this + 1); }

  std::uint32_t references_ = 1;
  std::uint32_t size_;
  bool plain_ = true;
  // entries follow
};
static_assert(sizeof(Frame) % alignof(Frame::Entry) == 0);

// A counted reference to a frame; null is the empty frame.
class FrameRef {
 public:
  FrameRef() noexcept = default;
  // Takes over one reference.
  static FrameRef adopt(Frame* frame) noexcept { return FrameRef(frame); }
  static FrameRef share(Frame* frame) noexcept {
    if (frame != nullptr) frame->retain();
    return FrameRef(frame);
  }

  FrameRef(FrameRef&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  FrameRef& operator=(FrameRef&& other) noexcept {
    Frame* old = std::exchange(frame_, std::exchange(other.frame_, nullptr));
    if (old != nullptr) old->release();
    return *this;
  }
  FrameRef(const FrameRef& other) noexcept : FrameRef(share(other.frame_)) {}
  FrameRef& operator=(const FrameRef& other) noexcept { return *this = FrameRef(other); }
  ~FrameRef() {
    if (frame_ != nullptr) frame_->release();
  }

  Frame* get() const noexcept { return frame_; }
  Frame* operator->() const noexcept { return frame_; }
  explicit operator bool() const noexcept { return frame_ != nullptr; }
  void reset() noexcept { *this = FrameRef(); }
  // Hands the reference to the caller.
  [[nodiscard]] Frame* release() && noexcept { return std::exchange(frame_, nullptr); }

 private:
  explicit FrameRef(Frame* frame) noexcept : frame_(frame) {}

  Frame* frame_ = nullptr;
};

// A frame on its way to another thread: an own copy, whose values count
// atomically from then on. Whichever thread drops the last frame destroys them.
class PortableFrame {
 public:
  static PortableFrame capture(const Frame* frame);

  PortableFrame(PortableFrame&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  PortableFrame& operator=(PortableFrame&&) = delete;
  ~PortableFrame() { std::move(*this).take(); }

  // The frame, which belongs to the calling thread from here on.
  FrameRef take() && noexcept;

 private:
  explicit PortableFrame(Frame* frame) noexcept : frame_(frame) {}

  Frame* frame_;
};

}  // namespace weft::detail
