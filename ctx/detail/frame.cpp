#include <algorithm>
#include <utility>

#include <weft/ctx/detail/block_pool.h>
#include <weft/ctx/detail/frame.h>
#include <weft/ctx/detail/thread_state.h>

namespace weft::detail {

void free_kept_blocks() noexcept {
  thread_state.keeps_blocks = false;
  for (KeptBlocks& kept : thread_state.kept_blocks) {
    while (kept.first != nullptr) ::operator delete(std::exchange(kept.first, kept.first->next));
    kept.count = 0;
  }
}

inline Frame* Frame::allocate(std::uint32_t size) {
  void* const block = allocate_block(sizeof(Frame) + size * sizeof(Entry));
  ++thread_state.live_frames;
  return ::new (block) Frame(size);
}

void Frame::destroy() noexcept {
  for (Entry *at = entries(), *const end = at + size_; at != end; ++at) {
    if (at->value != nullptr) at->value->release();
  }
  --thread_state.live_frames;
  free_block(this, sizeof(Frame) + size_ * sizeof(Entry));
}

void Frame::add(std::uint32_t slot, Entry entry) noexcept {
  entries()[slot] = entry;
  if (entry.value != nullptr && !entry.value->is_plain()) plain_ = false;
}

// Copies the entries of `base` but the one of `except`, whose slot stays to be filled.
Frame* Frame::copy(const Frame* base, std::uint32_t size, LocalId except) {
  Frame* made = allocate(size);
  const std::uint32_t from_base = base == nullptr ? 0 : std::min(base->size_, size);
  for (std::uint32_t i = 0; i < from_base; ++i) {
    const Entry entry = base->entries()[i];
    if (i == except.slot || entry.key == 0) {
      made->entries()[i] = {0, nullptr};
      continue;
    }
    if (entry.value != nullptr) entry.value->retain();
    made->add(i, entry);
  }
  for (std::uint32_t i = from_base; i < size; ++i) made->entries()[i] = {0, nullptr};
  return made;
}

Frame* Frame::with(const Frame* base, LocalId local, Value* value) {
  const std::uint32_t needed = local.slot + 1;
  const std::uint32_t from_base = base == nullptr ? 0 : base->size_;
  const std::uint32_t size = std::max(from_base, needed);
  if (base != nullptr && !base->plain_) [[unlikely]] {
    Frame* const made = copy(base, size, local);
    made->add(local.slot, {local.key, value});
    return made;
  }
  Frame* const made = allocate(size);
  Entry* const entries = made->entries();
  for (std::uint32_t i = 0; i < from_base; ++i) {
    const Entry entry = base->entries()[i];
    entries[i] = entry;
    if (entry.value != nullptr && i != local.slot) entry.value->retain();
  }
  for (std::uint32_t i = from_base; i < size; ++i) entries[i] = {0, nullptr};
  entries[local.slot] = {local.key, value};
  made->plain_ = value == nullptr || value->is_plain();
  return made;
}

Frame* Frame::without(const Frame* base, LocalId local) {
  if (base == nullptr) return nullptr;
  std::uint32_t size = 0;
  for (std::uint32_t i = 0; i < base->size_; ++i) {
    if (i != local.slot && base->entries()[i].key != 0) size = i + 1;
  }
  return size == 0 ? nullptr : copy(base, size, local);
}

Frame* Frame::inherited(const Frame& base) {
  Frame* made = allocate(base.size_);
  for (std::uint32_t i = 0; i < base.size_; ++i) made->entries()[i] = {0, nullptr};
  FrameRef guard = FrameRef::adopt(made);  // a fork is user code and may throw
  bool empty = true;
  for (std::uint32_t i = 0; i < base.size_; ++i) {
    Entry entry = base.entries()[i];
    if (entry.key == 0) continue;
    if (entry.value != nullptr && !entry.value->is_plain()) {
      entry.value = entry.value->inherit();
      if (entry.value == nullptr) continue;
    } else if (entry.value != nullptr) {
      entry.value->retain();
    }
    made->add(i, entry);
    empty = false;
  }
  if (empty) return nullptr;
  made->retain();
  return made;
}

PortableFrame PortableFrame::capture(const Frame* frame) {
  if (frame == nullptr) return PortableFrame(nullptr);
  const LocalId none{frame->size_, 0};
  Frame* made = frame->plain_ ? Frame::copy(frame, frame->size_, none) : Frame::inherited(*frame);
  if (made == nullptr) return PortableFrame(nullptr);
  for (std::uint32_t i = 0; i < made->size_; ++i) {
    if (Value* value = made->entries()[i].value) value->share();
  }
  --thread_state.live_frames;  // counted again by the thread that takes it
  return PortableFrame(made);
}

FrameRef PortableFrame::take() && noexcept {
  if (frame_ != nullptr) ++thread_state.live_frames;
  return FrameRef::adopt(std::exchange(frame_, nullptr));
}

}  // namespace weft::detail
