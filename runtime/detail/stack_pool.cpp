#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weft/runtime/detail/sanitizer.h>
#include <weft/runtime/detail/stack_pool.h>

namespace weft::detail {
namespace {

constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL, missing from older headers
constexpr std::size_t kCarveBatch = 64;
constexpr std::size_t kSlabStacksMax = 1024;

constinit std::atomic<std::size_t> protects_in_process = 0;

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

void* map(std::size_t bytes) noexcept {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

// One madvise for many ranges; kernels that refuse it get one call a range.
bool advise_all(iovec* ranges, std::size_t count, int advice) noexcept {
  static const int self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (self >= 0) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) bytes += ranges[i].iov_len;
    const auto done = ::syscall(SYS_process_madvise, self, ranges, count, advice, 0);
    if (done == static_cast<long>(bytes)) return true;
  }
  bool all = true;
  for (std::size_t i = 0; i < count; ++i) {
    all = ::madvise(ranges[i].iov_base, ranges[i].iov_len, advice) == 0 && all;
  }
  return all;
}

}  // namespace

StackGuards best_stack_guards() noexcept {
  static const StackGuards best = [] {
    void* const page = map(page_bytes());
    if (page == nullptr) return StackGuards::kNone;
    const bool installs = ::madvise(page, page_bytes(), kGuardInstall) == 0;
    ::munmap(page, page_bytes());
    return installs ? StackGuards::kInstall : StackGuards::kProtect;
  }();
  return best;
}

std::size_t protect_budget() noexcept {
  static const std::size_t budget = [] {
    std::size_t mappings = 65530;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen("/proc/sys/vm/max_map_count", "re"), &std::fclose);
    if (file != nullptr && std::fscanf(file.get(), "%zu", &mappings) != 1) mappings = 65530;
    return mappings / 4;  // two mappings a stack; the other half is the program's
  }();
  return budget;
}

StackPool::StackPool(std::size_t usable_bytes, StackGuards guards, std::size_t protect_max)
    : usable_bytes_(round_up(usable_bytes, page_bytes())),
      stride_bytes_(usable_bytes_ + round_up(kGuardBytes, page_bytes())),
      guards_(guards),
      protect_left_(protect_max) {
  if (stride_bytes_ / page_bytes() % 2 == 0) stride_bytes_ += page_bytes();
}

std::size_t StackPool::size_class(std::size_t bytes) {
  constexpr std::size_t kLeast = std::size_t{16} * 1024;
  constexpr std::size_t kMost = std::size_t{1} << 40;
  if (bytes > kMost) throw std::bad_alloc();
  return std::bit_ceil(std::max(bytes, kLeast));
}

StackPool::~StackPool() {
  protects_in_process.fetch_sub(protected_);
  for (const unsigned id : valgrind_ids_) sanitizer::deregister_stack(id);
  for (const Slab& slab : slabs_) {
    sanitizer::unpoison(slab.memory, slab.stacks * stride_bytes_);
    ::munmap(slab.memory, slab.stacks * stride_bytes_);
  }
}

void StackPool::retire() noexcept {
  trim_at_ = 0;
  if (warm_.size() + cold_.size() == carved_) delete this;
}

// The stack that ends where its `place` in the slab does, shifted by its colour.
StackMemory StackPool::stack_at(std::byte* place, std::size_t index) noexcept {
  std::byte* const end = place + stride_bytes_;
  return {this, end - usable_bytes_, end - index % kColours * kLine};
}

void StackPool::refill() {
  if (cold_.empty()) {
    if (slabs_.empty() || carved_of_last_slab_ == slabs_.back().stacks) add_slab();
    carve(std::min(kCarveBatch, slabs_.back().stacks - carved_of_last_slab_));
    return;
  }
  warm_.push_back(cold_.back());
  cold_.pop_back();
}

void StackPool::add_slab() {
  std::size_t stacks =
      slabs_.empty() ? kCarveBatch : std::min(slabs_.back().stacks * 2, kSlabStacksMax);
  void* memory = nullptr;
  while ((memory = map(stacks * stride_bytes_)) == nullptr) {
    if (stacks == 1) throw std::bad_alloc();
    stacks /= 2;
  }
  ::madvise(memory, stacks * stride_bytes_, MADV_NOHUGEPAGE);
  try {
    slabs_.push_back({static_cast<std::byte*>(memory), stacks});
    warm_.reserve(carved_ + stacks);
    cold_.reserve(carved_ + stacks);
  } catch (...) {
    if (!slabs_.empty() && slabs_.back().memory == memory) slabs_.pop_back();
    ::munmap(memory, stacks * stride_bytes_);
    throw;
  }
  carved_of_last_slab_ = 0;
}

void StackPool::carve(std::size_t stacks) {
  const std::size_t guard_bytes = round_up(kGuardBytes, page_bytes());
  std::array<iovec, kCarveBatch> guards;
  std::byte* const first = slabs_.back().memory + carved_of_last_slab_ * stride_bytes_;
  for (std::size_t i = 0; i < stacks; ++i) {
    const StackMemory stack = stack_at(first + i * stride_bytes_, carved_ + i);
    guards[i] = {stack.low - guard_bytes, guard_bytes};
    warm_.push_back(stack);
#ifdef WEFT_VALGRIND
    valgrind_ids_.push_back(sanitizer::register_stack(stack.low, stack.high));
#endif
  }
  carved_of_last_slab_ += stacks;
  carved_ += stacks;

  if (guards_ == StackGuards::kInstall && advise_all(guards.data(), stacks, kGuardInstall)) return;
  for (std::size_t i = 0; i < stacks; ++i) {
    if (!protect(guards[i])) ++unguarded_;
  }
}

bool StackPool::protect(const iovec& guard) noexcept {
  if (guards_ == StackGuards::kNone || protect_left_ == 0) return false;
  if (protects_in_process.fetch_add(1) >= protect_budget() ||
      ::mprotect(guard.iov_base, guard.iov_len, PROT_NONE) != 0) {
    protects_in_process.fetch_sub(1);
    return false;
  }
  --protect_left_;
  ++protected_;
  return true;
}

// Gives the memory of the kBatch coldest stacks back to the system.
void StackPool::trim() noexcept {
  if (trim_at_ == 0) return retire();
  std::array<iovec, kBatch> ranges;
  for (std::size_t i = 0; i < kBatch; ++i) {
    ranges[i] = {warm_[i].low, usable_bytes_};
    sanitizer::unpoison(warm_[i].low, usable_bytes_);
    cold_.push_back(warm_[i]);
  }
  advise_all(ranges.data(), kBatch, MADV_DONTNEED);
  warm_.erase(warm_.begin(), warm_.begin() + kBatch);
}

StackStatistics StackPool::statistics() const noexcept {
  return {carved_, warm_.size() + cold_.size(), cold_.size(), unguarded_};
}

}  // namespace weft::detail
