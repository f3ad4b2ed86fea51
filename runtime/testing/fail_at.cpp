#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include <weft/runtime/task_group.h>
#include <weft/runtime/testing/fail_at.h>

namespace {

// Trivial, because operator new reads it before anything is constructed.
struct Injection {
  std::uint64_t fails_at;  // 0: none
  std::uint64_t count;
  bool is_on;
};
constinit thread_local Injection injection{};

// Null when it is to fail, or when memory is exhausted.
void* allocate(std::size_t bytes) noexcept {
  if (injection.is_on && ++injection.count == injection.fails_at) return nullptr;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void* allocate(std::size_t bytes, std::align_val_t alignment) noexcept {
  if (injection.is_on && ++injection.count == injection.fails_at) return nullptr;
  const auto to = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(to, bytes == 0 ? to : (bytes + to - 1) / to * to);
}

void* or_throw(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

// Every form, for none may pair with the library's or a sanitizer's.
// clang-format off
void* operator new(std::size_t bytes) { return or_throw(allocate(bytes)); }
void* operator new[](std::size_t bytes) { return or_throw(allocate(bytes)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new(std::size_t bytes, std::align_val_t to) { return or_throw(allocate(bytes, to)); }
void* operator new[](std::size_t bytes, std::align_val_t to) { return or_throw(allocate(bytes, to)); }
void* operator new(std::size_t bytes, std::align_val_t to, const std::nothrow_t&) noexcept { return allocate(bytes, to); }
void* operator new[](std::size_t bytes, std::align_val_t to, const std::nothrow_t&) noexcept { return allocate(bytes, to); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept { std::free(block); }
// clang-format on

namespace weft::testing {

FailAt::FailAt(std::uint64_t n) noexcept {
  injection = {.fails_at = n, .count = 0, .is_on = true};
}

FailAt::~FailAt() {
  injection.is_on = false;
}

bool FailAt::has_failed() const noexcept {
  return injection.fails_at != 0 && injection.count >= injection.fails_at;
}

std::uint64_t FailAt::count() const noexcept {
  return injection.count;
}

namespace {

// Whether memory had run out, also where a task group tells of it.
bool is_bad_alloc(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const GroupError& group) {
    return std::ranges::all_of(group.errors(), is_bad_alloc);
  } catch (...) {
    return false;
  }
}

// Runs the scenario with its n-th allocation failing; notes whether it had so many.
void fail_nth(UniqueFunction<void()>& scenario, std::uint64_t n, bool& has_failed) {
  struct Note {
    FailAt failing;
    bool& has_failed;
    ~Note() { has_failed = failing.has_failed(); }
  };
  const auto fail = [&] {
    const Note note{FailAt(n), has_failed};
    scenario();
  };
  testing::run_test(fail);
}

}  // namespace

AllocationSweep detail::fail_each_allocation(UniqueFunction<void()> scenario) {
  AllocationSweep sweep;
  for (std::uint64_t n = 1;; ++n) {
    bool has_failed = false;
    try {
      fail_nth(scenario, n, has_failed);
    } catch (const TestFailure& failure) {
      throw TestFailure("fail_each_allocation, number " + std::to_string(n) + ": " +
                        failure.what());
    } catch (...) {
      if (!is_bad_alloc(std::current_exception())) throw;
      ++sweep.errors;
    }
    if (!has_failed) return sweep;
    ++sweep.allocations;
  }
}

}  // namespace weft::testing
